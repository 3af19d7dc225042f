/* usage: tables page NAME <PAGE.md, or tables bash, zsh or fish. All writes to standard output. */
#include <stdlib.h>
#include <string.h>

#include "launcher/tables/tables.h"

/* "mkv-index" is the page of a subcommand; "mkv-api" is not. */
static const struct command *find(const char *page)
{
    for (size_t i = 0; i < n_subcommands; i++) {
        if (strncmp(page, "mkv-", 4) == 0 && strcmp(page + 4, subcommands[i].command->name) == 0)
            return subcommands[i].command;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int rc = 0;

    if (strcmp(what, "page") == 0 && argc == 3)
        rc = page_write(stdin, stdout, find(argv[2]));
    else if (strcmp(what, "bash") == 0)
        complete_bash(stdout);
    else if (strcmp(what, "zsh") == 0)
        complete_zsh(stdout);
    else if (strcmp(what, "fish") == 0)
        complete_fish(stdout);
    else
        return fputs("usage: tables page NAME | bash | zsh | fish\n", stderr), EXIT_USAGE;
    return rc == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
