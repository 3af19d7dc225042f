/* The options of a subcommand, as one table that drives the parser, the file of --config, the
 * defaults and --help.
 *
 * Options may stand anywhere, as --name VALUE or --name=VALUE; "--" ends them. A default is text
 * that goes through the same setter as the user's. What the command line says goes before what the
 * file says (options_file.h), and that before the default. */
#ifndef MKV_LAUNCHER_OPTIONS_H
#define MKV_LAUNCHER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Parses `value` into the field at `target`. Borrows `value`, which lives as long as the program.
 * NULL, or what a good value looks like ("must be a port"), with the field untouched. */
typedef const char *(*option_set_fn)(void *target, const char *value);

struct option {
    const char *name;     /* without the dashes */
    const char *argument; /* what --help calls the value, or NULL for a flag */
    const char *initial;  /* the default as text, or NULL where the zeroed field is the default */
    const char *help;     /* one line */
    option_set_fn set;    /* gets "" for a flag */
    size_t offset;        /* of the field in the subcommand's struct */
};

struct command {
    const char *name;     /* "volume" */
    const char *operands; /* "PORT DIR", for the usage line; "" for none */
    const char *summary;  /* one line, for the list of subcommands */
    const char *details;  /* what --help says below the usage line, whole lines */
    const struct option *options;
    size_t n_options;
};

/* Parses (*argv)[0..argc-1], which begins after the subcommand's name, into `target`, which is
 * zeroed memory for the subcommand's struct, after the file that --config names. The operands are
 * moved to the front of *argv in their order and counted in *n_operands; where there are none,
 * *argv is those of the file. What the file says is good until the next call. 0, or EXIT_USAGE
 * after one line on stderr. */
int options_parse(const struct command *command, int argc, char ***argv, void *target,
                  int *n_operands);

/* The option of that name, `len` bytes without dashes, or NULL. */
const struct option *options_find(const struct command *command, const char *name, size_t len);

/* Writes the whole --help text of `command`. */
void options_print_help(const struct command *command, FILE *out);

/* One line on stderr, "mkv: MESSAGE (see 'mkv NAME --help')"; the exit code for it. `command` may
 * be NULL. */
int options_usage_error(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define EXIT_USAGE 2

/* Setters for the common kinds; the type of the field stands in the name. */
const char *option_set_bool(void *target, const char *value);       /* bool: true */
const char *option_set_action(void *target, const char *value);     /* bool: true; not in a file */
const char *option_set_config(void *target, const char *value);     /* const char *: likewise */
const char *option_set_string(void *target, const char *value);     /* const char *: not empty */
const char *option_set_log_level(void *target, const char *value);  /* enum log_level */
const char *option_set_log_format(void *target, const char *value); /* enum log_format */
const char *option_set_seconds(void *target, const char *value);    /* unsigned: milliseconds */
const char *option_set_duration(void *target, const char *value);   /* uint64_t: milliseconds */
const char *option_set_workers(void *target, const char *value);    /* unsigned: 0 is auto */
const char *option_set_subvolumes(void *target, const char *value); /* unsigned: 1 to 256 */
const char *option_set_replicas(void *target, const char *value);   /* unsigned: 1 to 16 */
const char *option_set_ticket_ttl(void *target, const char *value); /* unsigned: seconds */
const char *option_set_limit(void *target, const char *value);      /* unsigned: 1 to 1000000 */
const char *option_set_jobs(void *target, const char *value);       /* unsigned: 1 to 64 */
const char *option_set_rate(void *target, const char *value);       /* uint64_t: bytes a second */
const char *option_set_listen(void *target, const char *value);     /* struct address, any host */
const char *option_set_admin(void *target, const char *value);      /* the same, or loopback */
const char *option_set_address(void *target, const char *value); /* const char *: a volume_name.h */

#endif
