/* A program of the build, which isn't installed: it writes what else the option tables are good
 * for, the manual pages' sections and the shells' completion. */
#ifndef MKV_LAUNCHER_TABLES_H
#define MKV_LAUNCHER_TABLES_H

#include <stdio.h>

#include "launcher/commands.h"

/* What may stand where an option or an operand wants a value. */
enum value_kind {
    VALUE_NONE, /* it is a flag, or there is no operand */
    VALUE_OTHER,
    VALUE_FILE,
    VALUE_DIRECTORY,
};

/* By what --help calls the value, such as "FILE". NULL is none. */
enum value_kind value_kind(const char *argument);

/* The kind of a subcommand's operands. Of several ("PORT DIR") the one that a shell can complete.
 */
enum value_kind operand_kind(const struct command *command);

/* Reads a page as it stands in templates/man, and writes it as lowdown(1) wants it to make a manual
 * page: the title becomes the section NAME, the other headings go up one level, and comments go. A
 * page of `command` gets a SYNOPSIS, and its options in place of the comment that asks for them.
 * `command` is NULL where the page has none. 0, or -1 after a line on stderr. */
int page_write(FILE *in, FILE *out, const struct command *command);

/* Write what completes a command line of mkv, for the shell's usual place. */
void complete_bash(FILE *out);
void complete_zsh(FILE *out);
void complete_fish(FILE *out);

#endif
