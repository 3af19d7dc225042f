#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/tables/tables.h"

#define OPTIONS_HERE "<!-- options of the table -->"

/* What Markdown would take for markup. */
static void put_escaped(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("\\`*_[]<>|{}", *text) != NULL)
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void put_option(FILE *out, const struct option *o)
{
    fprintf(out, "`--%s`", o->name);
    if (o->argument != NULL) {
        fputs(" *", out);
        put_escaped(out, o->argument);
        fputc('*', out);
    }
    fprintf(out, "\n:   %c", toupper((unsigned char)o->help[0]));
    put_escaped(out, o->help + 1);
    if (o->argument != NULL && o->initial != NULL) {
        fputs(" (default: ", out);
        put_escaped(out, o->initial);
        fputc(')', out);
    }
    fputs(".\n\n", out);
}

static void put_options(FILE *out, const struct command *command)
{
    for (size_t i = 0; i < command->n_options; i++)
        put_option(out, &command->options[i]);
}

static void put_synopsis(FILE *out, const struct command *command)
{
    fprintf(out, "# SYNOPSIS\n\n**mkv %s** ", command->name);
    put_escaped(out, command->operands);
    fprintf(out, "%s\\[OPTIONS\\]\n\n", command->operands[0] != '\0' ? " " : "");
}

/* "# mkv-index(1): run the index" */
static int put_name(FILE *out, const char *line)
{
    const char *paren = strchr(line, '(');
    const char *colon = strstr(line, "): ");

    if (strncmp(line, "# ", 2) != 0 || paren == NULL || colon == NULL || colon < paren) {
        fputs("tables: a page begins with a line '# NAME(SECTION): what it is'\n", stderr);
        return -1;
    }
    fprintf(out, "# NAME\n\n%.*s - %s\n", (int)(paren - line - 2), line + 2, colon + 3);
    return 0;
}

/* "## Add a volume" becomes "# ADD A VOLUME", as manual pages have it, and "### Keys" "## Keys". */
static void put_heading(FILE *out, const char *line)
{
    bool is_section = line[2] != '#';

    for (line++; *line != '\0'; line++)
        fputc(is_section ? toupper((unsigned char)*line) : *line, out);
}

static void put_line(FILE *out, const char *line, const struct command *command, bool *fenced)
{
    bool is_prose;

    if (strncmp(line, "```", 3) == 0)
        *fenced = !*fenced;
    is_prose = !*fenced;
    if (is_prose && strncmp(line, OPTIONS_HERE, strlen(OPTIONS_HERE)) == 0 && command != NULL)
        put_options(out, command);
    else if (is_prose && strncmp(line, "##", 2) == 0)
        put_heading(out, line);
    else if (!is_prose || strncmp(line, "<!--", 4) != 0)
        fputs(line, out);
}

int page_write(FILE *in, FILE *out, const struct command *command)
{
    char *line = NULL;
    size_t size = 0;
    bool fenced = false;
    int rc = -1;

    if (getline(&line, &size, in) >= 0)
        rc = put_name(out, line);
    if (rc == 0 && command != NULL) {
        fputc('\n', out);
        put_synopsis(out, command);
    }
    while (rc == 0 && getline(&line, &size, in) >= 0)
        put_line(out, line, command, &fenced);
    free(line);
    return rc;
}
