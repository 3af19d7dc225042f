#include "launcher/options.h"

#include <stdarg.h>
#include <string.h>

#include "index/base/text.h"
#include "launcher/options_file.h"

#define HELP_COLUMN     26
#define USAGE_ERROR_MAX 2048

static void *field(const struct option *option, void *target)
{
    return (char *)target + option->offset;
}

int options_usage_error(const struct command *command, const char *format, ...)
{
    char text[USAGE_ERROR_MAX];
    char printable[2 * USAGE_ERROR_MAX];
    va_list args;
    size_t n;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    n = text_printable(text, strlen(text), printable, sizeof(printable));
    fprintf(stderr, "mkv: %.*s (see 'mkv %s%s--help')\n", (int)n, printable,
            command != NULL ? command->name : "", command != NULL ? " " : "");
    return EXIT_USAGE;
}

static const char *set_defaults(const struct command *command, void *target)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *o = &command->options[i];
        const char *problem = o->initial != NULL ? o->set(field(o, target), o->initial) : NULL;

        if (problem != NULL)
            return problem;
    }
    return NULL;
}

const struct option *options_find(const struct command *command, const char *name, size_t len)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *o = &command->options[i];

        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    }
    return NULL;
}

/* The command line is walked twice: first for --config alone, then, after the file, for all. */
struct walk {
    const struct command *command;
    void *target;       /* or NULL the first time */
    const char *config; /* the file, or NULL */
};

/* NULL, or what is wrong with the value. */
static const char *set(struct walk *walk, const struct option *o, const char *value)
{
    if (walk->target != NULL)
        return o->set(field(o, walk->target), value);
    return o->set == option_set_config ? o->set(&walk->config, value) : NULL;
}

/* Applies the option `text` (after its dashes). *next is the argument after it, or NULL; *used
 * tells whether it was taken as the value. */
static int apply(struct walk *walk, const char *text, const char *next, bool *used)
{
    const struct command *command = walk->command;
    size_t len = strcspn(text, "=");
    const char *value = text[len] == '=' ? text + len + 1 : NULL;
    const struct option *o = options_find(command, text, len);
    const char *problem;

    if (o == NULL)
        return options_usage_error(command, "unknown option --%.*s", (int)len, text);
    if (o->argument == NULL && value != NULL)
        return options_usage_error(command, "--%s takes no value", o->name);
    if (o->argument != NULL && value == NULL) {
        if (next == NULL)
            return options_usage_error(command, "--%s needs a value: %s", o->name, o->argument);
        value = next;
        *used = true;
    }
    problem = set(walk, o, value != NULL ? value : "");
    if (problem != NULL)
        return options_usage_error(command, "--%s %s: '%s'", o->name, problem, value);
    return 0;
}

/* Moves the operands to the front of argv the second time, and counts them. */
static int walk_arguments(struct walk *walk, int argc, char **argv, int *n_operands)
{
    bool ended = false;
    int n = 0;

    for (int i = 0; i < argc; i++) {
        const char *text = argv[i];
        bool used = false;

        if (ended || text[0] != '-' || text[1] == '\0') {
            if (walk->target != NULL)
                argv[n] = argv[i];
            n++;
        } else if (strcmp(text, "--") == 0) {
            ended = true;
        } else if (text[1] != '-') {
            return options_usage_error(walk->command, "unknown option %s", text);
        } else if (apply(walk, text + 2, i + 1 < argc ? argv[i + 1] : NULL, &used) != 0) {
            return EXIT_USAGE;
        }
        i += used;
    }
    *n_operands = n;
    return 0;
}

int options_parse(const struct command *command, int argc, char ***argv, void *target,
                  int *n_operands)
{
    static struct options_file file; /* options point into it */
    const char *problem = set_defaults(command, target);
    struct walk walk = {.command = command};
    int n = 0;

    options_file_deinit(&file);
    if (problem != NULL)
        return options_usage_error(command, "bad default: %s", problem);
    if (walk_arguments(&walk, argc, *argv, &n) != 0 ||
        (walk.config != NULL && options_file_read(&file, command, walk.config, target) != 0))
        return EXIT_USAGE;
    walk.target = target;
    if (walk_arguments(&walk, argc, *argv, &n) != 0)
        return EXIT_USAGE;
    if (n == 0 && file.n_operands > 0) {
        *argv = file.operands;
        n = file.n_operands;
    }
    *n_operands = n;
    return 0;
}

static void print_option(const struct option *o, FILE *out)
{
    int n = fprintf(out, "  --%s%s%s", o->name, o->argument != NULL ? " " : "",
                    o->argument != NULL ? o->argument : "");

    if (n >= HELP_COLUMN)
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(out, "%*s", HELP_COLUMN - n, "");
    fputs(o->help, out);
    if (o->argument != NULL && o->initial != NULL)
        fprintf(out, " (default: %s)", o->initial);
    fputc('\n', out);
}

void options_print_help(const struct command *command, FILE *out)
{
    fprintf(out, "usage: mkv %s %s%s[OPTIONS]\n\n%s\n\n%s\noptions:\n", command->name,
            command->operands, command->operands[0] != '\0' ? " " : "", command->summary,
            command->details);
    for (size_t i = 0; i < command->n_options; i++)
        print_option(&command->options[i], out);
}
