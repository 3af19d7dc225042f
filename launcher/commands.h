/* The subcommands. Each has its table of options and a function that runs it. */
#ifndef MKV_LAUNCHER_COMMANDS_H
#define MKV_LAUNCHER_COMMANDS_H

#include "launcher/common.h"
#include "launcher/nginx/site.h"
#include "launcher/service.h"

extern const struct command cancel_command;
extern const struct command drain_command;
extern const struct command dump_command;
extern const struct command forget_command;
extern const struct command index_command;
extern const struct command rebalance_command;
extern const struct command rebuild_command;
extern const struct command restore_command;
extern const struct command secret_command;
extern const struct command status_command;
extern const struct command verify_command;
extern const struct command volume_command;

/* Runs the subcommand on the arguments after its name. The exit code of the program. */
int cancel_main(int argc, char **argv);
int drain_main(int argc, char **argv);
int dump_main(int argc, char **argv);
int forget_main(int argc, char **argv);
int index_main(int argc, char **argv);
int rebalance_main(int argc, char **argv);
int rebuild_main(int argc, char **argv);
int restore_main(int argc, char **argv);
int secret_main(int argc, char **argv);
int status_main(int argc, char **argv);
int verify_main(int argc, char **argv);
int volume_main(int argc, char **argv);

/* All of them, in the order of --help. */
struct subcommand {
    const struct command *command;
    int (*run)(int argc, char **argv);
};
extern const struct subcommand subcommands[];
extern const size_t n_subcommands;

/* What every subcommand does with its options first: parses them (options_parse()), answers --help
 * and --version, and sets up the log. `options` is zeroed and begins with a struct basic_options.
 * True when there is more to do; else *exit_code is set. */
bool command_begin(const struct command *command, int argc, char ***argv, void *options,
                   int *n_operands, int *exit_code);

/* Becomes the account, for good, before any client's byte is read: the one place where root's
 * rights end. What needs root (ports below 1024, files that only root can read, a directory to be
 * given away) is done before. The log files are given to the account here. Warns of each file in
 * `files` that the account can't read again when a HUP comes; NULLs are skipped. From here on
 * nothing that is executed gains rights. Before there are threads. 0, or -errno after one log line.
 */
int command_narrow(const struct common_options *options, struct account *account,
                   const char *const *files, size_t n_files);

/* What the options say of nginx, borrowed. */
struct site_settings command_site_settings(const struct common_options *options);

/* What is wrong with the two options of TLS, for a usage error; or NULL. */
const char *command_check_tls(const struct common_options *options);

/* --check, or, where no nginx is to run, --print-config. The exit code. */
int command_inspect(const struct site_options *options);

/* Runs the service behind the nginx that `options` describes; service->site is not used. The exit
 * code. */
int command_serve(const struct site_options *options, const struct service_options *service);

#endif
