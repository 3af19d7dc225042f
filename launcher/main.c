/* mkv: the program. One subcommand a role; each reads its own options. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "launcher/bus_error.h"
#include "launcher/commands.h"
#include "launcher/volume/volume_process.h"

#define FILES_MAX   65536
#define FILES_LEAST 64

static void print_help(FILE *out)
{
    fputs("usage: mkv COMMAND [ARGUMENTS] [OPTIONS]\n\ncommands:\n", out);
    for (size_t i = 0; i < n_subcommands; i++)
        fprintf(out, "  %-12s%s\n", subcommands[i].command->name, subcommands[i].command->summary);
    fputs("\n'mkv COMMAND --help' says more; 'mkv --version' prints the version.\n", out);
}

/* Whatever we open must not end up as one of the standard streams. */
static void ensure_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* The soft limit is often 1,024, for the sake of select(2), which nothing here uses. False after
 * one log line where even the hard one is too low to start with. */
static bool raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_MAX)
        return true;
    limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= FILES_LEAST)
        return true;
    log_error("no more than %lu files can be open at once, and mkv needs %d: raise the hard limit "
              "(ulimit -Hn)",
              limit.rlim_cur, FILES_LEAST);
    return false;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";

    ensure_standard_streams();
    if (!raise_file_limit())
        return EXIT_FAILURE;
    bus_error_init();
    /* libuv's four could all be waiting for one disk to sync, with questions about it behind them.
     */
    setenv("UV_THREADPOOL_SIZE", "10", 0);
    if (strcmp(name, "--version") == 0) {
        puts("mkv " MKV_VERSION);
        return EXIT_SUCCESS;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
        print_help(argc > 1 ? stdout : stderr);
        return argc > 1 ? EXIT_SUCCESS : EXIT_USAGE;
    }
    if (strcmp(name, VOLUME_PROCESS_COMMAND) == 0)
        return volume_process_main(argc - 2, argv + 2);
    for (size_t i = 0; i < n_subcommands; i++) {
        if (strcmp(name, subcommands[i].command->name) == 0)
            return subcommands[i].run(argc - 2, argv + 2);
    }
    return options_usage_error(NULL, "unknown command %s", name);
}
