/* How each nginx of ours is run, be it to serve or to test a config: as its account, inside its
 * prefix directory, with the listening sockets, whose ports it might not be allowed to open itself.
 */
#ifndef MKV_LAUNCHER_NGINX_PROCESS_H
#define MKV_LAUNCHER_NGINX_PROCESS_H

#include "launcher/nginx/child.h"
#include "launcher/nginx/listeners.h"

/* All is borrowed as long as it is used. */
struct nginx_process {
    const char *program;
    const struct account *account;
    const struct listeners *listeners; /* nginx opens those that aren't open */
    int directory;                     /* descriptor of the prefix directory, whose path others may
                                          turn elsewhere; relative paths lie in it */
    int lock;                          /* a descriptor to inherit, or -1 */
};

/* Starts `child` on the config at `conf`, as `nginx -t` when `test`. Of `options`, the callbacks
 * and `arg` are given. 0 or a -errno, as child_start(). */
int nginx_process_start(const struct nginx_process *process, bool test, const char *conf,
                        struct child_options options, struct child *child,
                        struct children *children);

/* Says how a process ended, by `status` as wait(2) has it: "exited with code 1". */
void nginx_process_describe_exit(int status, char *text, size_t size);

#endif
