#include "launcher/options_file.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/private_file.h"

#define OPTIONS_MAX  128
#define OPERANDS_MAX 8 /* words in a usage line */
#define BLANKS       " \t\r"
#define CREDENTIAL   "%d/"

/* The file while it is read. */
struct reading {
    struct options_file *file;
    const struct command *command;
    const char *path;
    void *target;
    unsigned line;                   /* from 1 on */
    unsigned option_at[OPTIONS_MAX]; /* the line of each option, 0 where there is none yet */
    unsigned operand_at[OPERANDS_MAX];
};

/* A word of the usage line: "PORT", "[FILE]", "[VOLUME...]". */
struct operand {
    size_t place; /* among the words */
    bool repeats; /* it is the last one then */
};

#define refuse(r, format, ...)                                                                     \
    options_usage_error((r)->command, "%s:%u: " format, (r)->path, (r)->line, __VA_ARGS__)

static bool is_word(const char *word, size_t n, const char *name)
{
    if (strlen(name) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (tolower((unsigned char)word[i]) != name[i])
            return false;
    }
    return true;
}

static bool find_operand(const char *words, const char *name, struct operand *found)
{
    for (size_t place = 0; *words != '\0'; place++) {
        size_t n = strcspn(words, ". ]");
        bool is_optional = *words == '[';

        if (is_word(words + is_optional, n - is_optional, name)) {
            *found = (struct operand){place, words[n] == '.'};
            return true;
        }
        words += n;
        words += strspn(words, ".] ");
    }
    return false;
}

/* Fixed operands are kept at their places, and those that repeat after them. */
static int add_operand(struct reading *r, const struct operand *operand, const char *name,
                       char *value)
{
    struct options_file *f = r->file;
    unsigned *at = &r->operand_at[operand->place];
    int place = (int)operand->place;

    assert(operand->place < OPERANDS_MAX);
    if (*value == '\0')
        return refuse(r, "%s needs a value", name);
    if (operand->repeats && place < f->n_operands)
        place = f->n_operands;
    else if (*at != 0)
        return refuse(r, "%s stands in line %u already", name, *at);
    *at = r->line;
    f->operands[place] = value;
    if (place >= f->n_operands)
        f->n_operands = place + 1;
    return 0;
}

static int add_option(struct reading *r, const struct option *o, const char *value)
{
    unsigned *at = &r->option_at[o - r->command->options];
    const char *problem;

    if (o->set == option_set_action || o->set == option_set_config)
        return refuse(r, "%s is for the command line only", o->name);
    if (*at != 0)
        return refuse(r, "%s stands in line %u already", o->name, *at);
    if (o->argument == NULL && *value != '\0')
        return refuse(r, "%s takes no value: '%s'", o->name, value);
    if (o->argument != NULL && *value == '\0')
        return refuse(r, "%s needs a value: %s", o->name, o->argument);
    *at = r->line;
    problem = o->set((char *)r->target + o->offset, value);
    return problem == NULL ? 0 : refuse(r, "%s %s: '%s'", o->name, problem, value);
}

/* Puts the path of a credential in the place of a value that begins with %d. */
static int expand(struct reading *r, const char *name, char **value)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    struct options_file *f = r->file;
    char *path;

    if (strncmp(*value, CREDENTIAL, strlen(CREDENTIAL)) != 0)
        return 0;
    if (directory == NULL)
        return refuse(r,
                      "%s is a credential, '%s', and there are none: $CREDENTIALS_DIRECTORY is not "
                      "set; LoadCredential= of a unit sets it",
                      name, *value);
    if (asprintf(&path, "%s/%s", directory, *value + strlen(CREDENTIAL)) < 0)
        return refuse(r, "%s", "not enough memory");
    f->credentials[f->n_credentials++] = path;
    *value = path;
    return 0;
}

/* What other files of options would take for quotes or a comment would be part of a value here, and
 * of a directory's name. */
static int check_value(struct reading *r, const char *name, const char *value)
{
    const char *mark = strchr(value, '#');

    if (*value == '"' || *value == '\'')
        return refuse(r, "%s: a value takes no quotes, and blanks within it count: %s", name,
                      value);
    if (mark != NULL && (mark == value || strchr(BLANKS, mark[-1]) != NULL))
        return refuse(r, "%s: a comment needs a line of its own: %s", name, mark);
    return 0;
}

/* `line` is without its end, and a NUL stands there. */
static int apply_line(struct reading *r, char *line, size_t len)
{
    struct operand operand;
    const struct option *o;
    char *value;

    if (len > OPTIONS_LINE_MAX)
        return refuse(r, "the line has %zu bytes, and %d is the most", len, OPTIONS_LINE_MAX);
    if (memchr(line, '\0', len) != NULL)
        return refuse(r, "%s", "there is a NUL byte");
    while (len > 0 && strchr(BLANKS, line[len - 1]) != NULL)
        line[--len] = '\0';
    line += strspn(line, BLANKS);
    if (*line == '\0' || *line == '#')
        return 0;
    value = line + strcspn(line, BLANKS);
    if (*value != '\0')
        *value++ = '\0';
    value += strspn(value, BLANKS);
    if (check_value(r, line, value) != 0 || expand(r, line, &value) != 0)
        return EXIT_USAGE;
    o = options_find(r->command, line, strlen(line));
    if (o != NULL)
        return add_option(r, o, value);
    if (find_operand(r->command->operands, line, &operand))
        return add_operand(r, &operand, line, value);
    return refuse(r, "unknown option '%s'%s", line,
                  *line == '-'                ? ": names stand without dashes"
                  : strchr(line, '=') != NULL ? ": a blank stands before a value, no '='"
                                              : "");
}

/* Room for as many operands as there are lines, and gaps before the first; and for as many
 * credentials. */
static int make_room(struct options_file *file)
{
    const char *end = buf_bytes(&file->text) + buf_size(&file->text);
    size_t n = OPERANDS_MAX + 1;

    for (const char *p = buf_bytes(&file->text); p < end; p++)
        n += *p == '\n';
    file->operands = calloc(n, sizeof(*file->operands));
    file->credentials = calloc(n, sizeof(*file->credentials));
    return file->operands != NULL && file->credentials != NULL ? 0 : -1;
}

static void close_gaps(struct options_file *file)
{
    int n = 0;

    for (int i = 0; i < file->n_operands; i++) {
        if (file->operands[i] != NULL)
            file->operands[n++] = file->operands[i];
    }
    file->n_operands = n;
}

int options_file_apply(struct options_file *file, const struct command *command, const char *path,
                       void *target)
{
    struct reading r = {.file = file, .command = command, .path = path, .target = target};
    char *line = file->text.data + file->text.head;
    size_t left = buf_size(&file->text);
    int rc = 0;

    assert(command->n_options <= OPTIONS_MAX);
    if (make_room(file) < 0)
        return options_usage_error(command, "%s: not enough memory", path);
    while (rc == 0 && left > 0) {
        char *end = memchr(line, '\n', left);
        size_t len = end != NULL ? (size_t)(end - line) : left;

        r.line++;
        line[len] = '\0';
        rc = apply_line(&r, line, len);
        left -= len + (end != NULL);
        line += len + (end != NULL);
    }
    close_gaps(file);
    return rc;
}

int options_file_read(struct options_file *file, const struct command *command, const char *path,
                      void *target)
{
    char why[1024];

    if (trusted_file_read(path, OPTIONS_FILE_MAX, &file->text, why, sizeof(why)) < 0)
        return options_usage_error(command, "--config %s", why);
    return options_file_apply(file, command, path, target);
}

void options_file_deinit(struct options_file *file)
{
    buf_deinit(&file->text);
    free(file->operands);
    for (size_t i = 0; i < file->n_credentials; i++)
        free(file->credentials[i]);
    free(file->credentials);
    *file = (struct options_file){.operands = NULL};
}
