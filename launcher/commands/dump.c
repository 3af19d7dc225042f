/* `mkv dump`: what the index holds, as lines of JSON; from the index that runs, else from its
 * files. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/base/io.h"
#include "index/maintenance/dump.h"
#include "launcher/commands.h"
#include "launcher/commands/admin_client.h"
#include "launcher/commands/index_dir.h"

#define PIECE 65536 /* bytes that are written at once */

struct dump_options {
    struct basic_options basic;
    const char *directory;
};

static const struct option dump_option_table[] = {
    INDEX_DIR_OPTION(struct dump_options, directory),
    BASIC_OPTIONS,
};

const struct command dump_command = {
    .name = "dump",
    .operands = "",
    .summary = "Print what an index holds, as lines of JSON.",
    .details = "The index may run: each key then is as it was at some moment of the dump.\n"
               "A dump whose last line isn't {\"end\":true,...} was cut off.\n",
    .options = dump_option_table,
    .n_options = sizeof(dump_option_table) / sizeof(dump_option_table[0]),
};

/* Standard output, and the last line that went there. */
struct output {
    int error; /* 0 or a -errno, said */
    size_t n;  /* of `last` */
    char last[256];
};

/* Keeps the last bytes. */
static void remember(struct output *out, const char *bytes, size_t len)
{
    size_t room = sizeof(out->last);

    if (len > room) {
        bytes += len - room;
        len = room;
    }
    if (out->n + len > room) {
        memmove(out->last, out->last + (out->n + len - room), room - len);
        out->n = room - len;
    }
    memcpy(out->last + out->n, bytes, len);
    out->n += len;
}

/* Whether the last line is the end of a dump. No other line begins like that. */
static bool is_whole(const struct output *out)
{
    static const char end[] = "\n{\"end\":true,";
    size_t n = sizeof(end) - 1;
    const char *newline;

    if (out->n < n || out->last[out->n - 1] != '\n')
        return false;
    newline = memrchr(out->last, '\n', out->n - 1);
    return newline != NULL && (size_t)(out->last + out->n - newline) > n &&
           memcmp(newline, end, n) == 0;
}

static int output_failed(struct output *out, int rc)
{
    log_error("cannot write the dump: %s", strerror(-rc));
    out->error = rc;
    return rc;
}

static int write_cb(const char *bytes, size_t len, void *arg)
{
    struct output *out = arg;
    int rc = io_write_all(STDOUT_FILENO, bytes, len);

    remember(out, bytes, len);
    return rc < 0 ? output_failed(out, rc) : 0;
}

static int write_all(struct dump *dump, struct output *out)
{
    struct buf text = {0};
    int rc = 1;

    while (rc > 0) {
        buf_clear(&text);
        rc = dump_fill(dump, &text, PIECE);
        if (rc >= 0 && write_cb(buf_bytes(&text), buf_size(&text), out) < 0)
            rc = out->error;
    }
    buf_deinit(&text);
    return rc;
}

static int dump_files(const char *directory, struct output *out)
{
    struct dump dump = {.store = NULL};
    int rc = store_open_reader(directory, &dump.store);

    if (rc == 0)
        rc = write_all(&dump, out);
    store_close_reader(dump.store);
    return rc;
}

/* Some systems only say so when a file is closed that it could not be written. */
static int dump(const char *directory, int fd)
{
    struct output out = {.error = 0};
    int rc = admin_client_get(fd, "/dump", write_cb, &out);

    if (rc == -ENOENT || rc == -ECONNREFUSED)
        rc = dump_files(directory, &out);
    else if (out.error == 0 && (rc < 0 || !is_whole(&out)))
        log_error("the dump broke off: %s",
                  rc < 0 ? strerror(-rc) : "the index stopped, or failed");
    if (rc == 0 && is_whole(&out) && close(STDOUT_FILENO) < 0)
        output_failed(&out, -errno);
    return rc == 0 && out.error == 0 && is_whole(&out) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int dump_main(int argc, char **argv)
{
    struct dump_options options = {.basic = {.help = false}};
    int exit_code;
    int fd;
    int n;

    if (!command_begin(&dump_command, argc, &argv, &options, &n, &exit_code))
        return exit_code;
    if (n != 0)
        return options_usage_error(&dump_command, "dump takes no operands: '%s'", argv[0]);
    log_set_level(LOG_LEVEL_WARN);
    signal(SIGPIPE, SIG_IGN);
    if (index_dir_find(options.directory, &fd) < 0)
        return EXIT_FAILURE;
    exit_code = index_dir_become_owner(fd) == 0 ? dump(options.directory, fd) : EXIT_FAILURE;
    close(fd);
    return exit_code;
}
