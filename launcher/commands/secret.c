/* `mkv secret`: a new secret for a cluster. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/access/secret.h"
#include "index/base/io.h"
#include "launcher/commands.h"

struct options {
    struct basic_options basic;
};

static const struct option secret_option_table[] = {BASIC_OPTIONS};

const struct command secret_command = {
    .name = "secret",
    .operands = "[FILE]",
    .summary = "Print a new secret for --secret-file, or write it to FILE.",
    .details = "FILE must not exist yet. Only its owner can read it.\n",
    .options = secret_option_table,
    .n_options = sizeof(secret_option_table) / sizeof(secret_option_table[0]),
};

static int fail(const char *path, int rc)
{
    log_error("cannot write %s: %s", path, strerror(-rc));
    return EXIT_FAILURE;
}

static int make_file(const char *path, const char *line)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int rc;

    if (fd < 0)
        return fail(path, -errno);
    rc = io_write_all(fd, line, strlen(line));
    if (rc == 0 && fsync(fd) < 0)
        rc = -errno;
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    if (rc == 0)
        return EXIT_SUCCESS;
    unlink(path);
    return fail(path, rc);
}

static int print(const char *line)
{
    return fputs(line, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : fail("stdout", -errno);
}

int secret_main(int argc, char **argv)
{
    struct options options = {.basic = {.help = false}};
    char line[SECRET_TEXT_SIZE + 1];
    int exit_code;
    int n;

    if (!command_begin(&secret_command, argc, &argv, &options, &n, &exit_code))
        return exit_code;
    if (n > 1)
        return options_usage_error(&secret_command, "secret takes one FILE at most");
    if (secret_invent(line) < 0)
        return fail(n > 0 ? argv[0] : "stdout", -EIO);
    strcat(line, "\n");
    return n > 0 ? make_file(argv[0], line) : print(line);
}
