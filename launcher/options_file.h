/* The file that --config names: options as on the command line, one a line.
 *
 *     # This is a comment, and so is nothing after a value.
 *     port 3001
 *     no-sync
 *     volume disk1:3001
 *
 * A line is an option's name without dashes, blanks, and its value up to the end of the line.
 * Blanks (spaces and tabs, and the CR of a CRLF) around a line and before a value don't count.
 * There are no quotes and no escapes: a value holds what stands there, blanks in its middle too,
 * and can't be empty. Operands have the names that --help has for them, in lower case; one that may
 * be given more than once ("VOLUME...") has a line for each. Nothing else may stand there twice.
 * Paths are relative to the directory that mkv is started in, as those of the command line are.
 *
 * It is read at the start alone: a HUP rereads the files that options name, not this one.
 *
 * A value that begins with "%d/" is the path of a credential: %d is $CREDENTIALS_DIRECTORY, where
 * systemd puts what LoadCredential= names (systemd.exec(5)). */
#ifndef MKV_LAUNCHER_OPTIONS_FILE_H
#define MKV_LAUNCHER_OPTIONS_FILE_H

#include "index/base/buf.h"
#include "launcher/options.h"

#define OPTIONS_FILE_MAX (1U << 20) /* bytes */
#define OPTIONS_LINE_MAX 4096       /* bytes of a line */

/* Zeroed is empty. */
struct options_file {
    struct buf text;
    char **operands; /* in the order of the usage line; they point into `text`, as options do, */
    int n_operands;
    char **credentials; /* or are one of these paths, which are owned */
    size_t n_credentials;
};

/* Reads the regular file at `path`, which not everybody may write, and applies what it says to
 * `target`, over the defaults. 0, or EXIT_USAGE after one line on stderr that names file and line;
 * then `target` is unfinished. Blocks. `file` is the caller's to deinit after the last use of
 * `target`, whatever is returned. */
int options_file_read(struct options_file *file, const struct command *command, const char *path,
                      void *target);

/* The same with the bytes in file->text, which have a NUL behind them and are changed; `path` is
 * for messages alone. */
int options_file_apply(struct options_file *file, const struct command *command, const char *path,
                       void *target);

/* Frees; the struct is empty again. */
void options_file_deinit(struct options_file *file);

#endif
