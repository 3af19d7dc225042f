/* `mkv dump`: what the index holds, as lines of JSON; from the index that runs, else from its
 * files or its database. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/base/io.h"
#include "index/maintenance/dump.h"
#include "index/maintenance/offline.h"
#include "index/store/gdbm/gdbm_engine.h"
#ifdef MKV_POSTGRES
#include "index/store/postgres/postgres_engine.h"
#endif
#include "launcher/commands.h"
#include "launcher/commands/admin_client.h"
#include "launcher/commands/index_dir.h"
#include "launcher/commands/settings.h"
#include "launcher/commands/watch.h"
#include "launcher/store_option.h"

#define PIECE 65536 /* bytes that are written at once */

struct dump_options {
    struct basic_options basic;
    const char *directory;
    const char *store;
};

static const struct option dump_option_table[] = {
    INDEX_DIR_OPTION(struct dump_options, directory),
    STORE_OPTION(struct dump_options, store),
    BASIC_OPTIONS,
};

const struct command dump_command = {
    .name = "dump",
    .operands = "",
    .summary = "Print what an index holds, as lines of JSON.",
    .details = "The index may run: then each key is as it was at some moment of the dump.\n"
               "With --store it is read from the database, whether indexes run or not.\n"
               "A dump whose last line isn't {\"end\":true,...} was cut off.\n",
    .options = dump_option_table,
    .n_options = sizeof(dump_option_table) / sizeof(dump_option_table[0]),
};

/* Standard output, and the last line that went there. */
struct output {
    struct watch watch;
    uint64_t lines; /* so far */
    uint64_t total; /* about how many there will be; 0: unknown */
    int error;      /* 0 or a -errno, said */
    size_t n;       /* of `last` */
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

static void show(struct output *out, const char *bytes, size_t len)
{
    struct job_line line = {.kind = "dump", .noun = "keys", .total = out->total};

    for (const char *at = bytes; (at = memchr(at, '\n', (size_t)(bytes + len - at))) != NULL; at++)
        out->lines++;
    line.done = out->lines < out->total || out->total == 0 ? out->lines : out->total;
    watch_show(&out->watch, &line);
}

static int write_cb(const char *bytes, size_t len, void *arg)
{
    struct output *out = arg;
    int rc = io_write_all(STDOUT_FILENO, bytes, len);

    remember(out, bytes, len);
    if (rc == 0 && !out->watch.view.is_quiet)
        show(out, bytes, len);
    return rc < 0 ? output_failed(out, rc) : 0;
}

struct filling {
    bool ended;
    int rc;
};

static void filled_cb(struct dump *dump, int rc)
{
    struct filling *filling = dump->arg;

    *filling = (struct filling){.ended = true, .rc = rc};
}

/* `loop`: the store's, which may have the lines later. */
static int fill(struct dump *dump, struct buf *text, uv_loop_t *loop)
{
    struct filling filling = {.ended = false};
    int rc;

    dump->filled_cb = filled_cb;
    dump->arg = &filling; // cppcheck-suppress autoVariables
    rc = dump_fill(dump, text, PIECE);
    if (rc != STORE_LATER)
        return rc;
    while (!filling.ended)
        uv_run(loop, UV_RUN_ONCE);
    return filling.rc;
}

/* `check`: whether what was read is one table; before the last line is written. */
static int write_all(struct dump *dump, struct output *out, uv_loop_t *loop,
                     int (*check)(const void *arg), const void *arg)
{
    struct store_stats stats;
    struct buf text = {0};
    int rc = 1;

    store_stats(dump->store, &stats);
    out->total = stats.keys + stats.unlinked + stats.orphans;
    while (rc > 0) {
        buf_clear(&text);
        rc = fill(dump, &text, loop);
        if (rc == 0 && check != NULL)
            rc = check(arg);
        if (rc >= 0 && write_cb(buf_bytes(&text), buf_size(&text), out) < 0)
            rc = out->error;
    }
    buf_deinit(&text);
    return rc;
}

static int dump_files(const char *directory, struct output *out)
{
    struct dump dump = {.store = NULL};
    int rc = gdbm_engine_open_reader(directory, &dump.store);

    if (rc == 0)
        rc = write_all(&dump, out, NULL, NULL, NULL);
    gdbm_engine_close_reader(dump.store);
    return rc;
}

#ifdef MKV_POSTGRES
struct table {
    const char *uri;
    uint64_t is; /* as of the beginning */
};

/* Pages are read one after the other, and a restore may have put others there meanwhile. */
static int check_table(const void *arg)
{
    const struct table *table = arg;
    uint64_t is = 0;
    int rc = postgres_engine_table(table->uri, &is);

    if (rc < 0 || is == table->is)
        return rc;
    log_error(
        "the dump broke off: the database was restored or rebuilt meanwhile; what was written "
        "is no whole dump, run it again");
    return UV_ECANCELED;
}

static int dump_database_on(uv_loop_t *loop, const char *uri, struct output *out)
{
    const struct postgres_engine_options options = {.uri = uri, .only_reads = true};
    struct table table = {.uri = uri};
    struct dump dump = {.store = NULL};
    int rc = postgres_engine_open(loop, &options, &dump.store);

    if (rc == 0)
        rc = postgres_engine_table(uri, &table.is);
    if (rc == 0)
        rc = write_all(&dump, out, loop, check_table, &table);
    if (rc == STORE_AWAY && out->n > 0)
        log_error("the dump broke off: the database can't be reached; what was written is no whole "
                  "dump, run it again");
    offline_close(loop, dump.store);
    return rc;
}

static int dump_database(const char *uri, struct output *out)
{
    uv_loop_t loop;
    int rc = uv_loop_init(&loop);

    if (rc < 0) {
        log_error("cannot dump the database: %s", uv_strerror(rc));
        return rc;
    }
    rc = dump_database_on(&loop, uri, out);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return rc;
}
#else
static int dump_database(const char *uri, struct output *out)
{
    (void)out;
    log_error("cannot dump the database %s: this mkv was built without PostgreSQL", uri);
    return UV_ENOTSUP;
}
#endif

/* Of an index that doesn't run: its keys are in its directory, or where it was last run with. */
static int dump_stopped(const char *directory, struct output *out)
{
    char *uri = settings_last_store(directory);
    int rc = uri != NULL ? dump_database(uri, out) : dump_files(directory, out);

    free(uri);
    return rc;
}

/* A bar only where the dump itself doesn't go to the terminal. */
static void begin(struct output *out)
{
    watch_begin(&out->watch, true);
    if (isatty(STDOUT_FILENO))
        out->watch.view.is_quiet = true;
}

/* The last line says that all are there. */
static int end(struct output *out, int rc)
{
    watch_end(&out->watch);
    if (rc == 0 && is_whole(out) && close(STDOUT_FILENO) < 0)
        output_failed(out, -errno);
    return rc == 0 && out->error == 0 && is_whole(out) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* How many lines a running index's dump will have, about; 0 where it doesn't say. */
static uint64_t ask_for_total(int fd)
{
    static const char *const names[] = {"keys", "unlinked", "orphans"};
    struct buf body = {0};
    uint64_t total = 0;
    json_t *answer = NULL;
    int status = 0;

    if (admin_client_ask(fd, "GET", "/status", &body, &status) == 0 && status == 200)
        answer = json_loadb(buf_bytes(&body), buf_size(&body), 0, NULL);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_int_t n = json_integer_value(json_object_get(answer, names[i]));

        total += n > 0 ? (uint64_t)n : 0;
    }
    json_decref(answer);
    buf_deinit(&body);
    return total;
}

/* Some systems only say so when a file is closed that it could not be written. */
static int dump(const char *directory, int fd)
{
    struct output out = {.error = 0};
    int rc;

    begin(&out);
    if (!out.watch.view.is_quiet)
        out.total = ask_for_total(fd);
    rc = admin_client_get(fd, "/dump", write_cb, &out);
    if (rc == -ENOENT || rc == -ECONNREFUSED)
        rc = dump_stopped(directory, &out);
    else if (out.error == 0 && (rc < 0 || !is_whole(&out)))
        log_error("the dump broke off: %s; what was written is no whole dump, run it again",
                  rc < 0 ? strerror(-rc) : "the index stopped, or failed");
    return end(&out, rc);
}

static int dump_store(const char *uri)
{
    struct output out = {.error = 0};

    begin(&out);
    return end(&out, dump_database(uri, &out));
}

int dump_main(int argc, char **argv)
{
    struct dump_options options = {.basic = {.help = false}};
    const char *problem;
    int exit_code;
    int fd;
    int n;

    if (!command_begin(&dump_command, argc, &argv, &options, &n, &exit_code))
        return exit_code;
    if (n != 0)
        return options_usage_error(&dump_command, "dump takes no operands: '%s'", argv[0]);
    problem = options.store != NULL ? store_option_problem(options.store) : NULL;
    if (problem != NULL)
        return options_usage_error(&dump_command, "--store %s", problem);
    log_set_level(LOG_LEVEL_WARN);
    signal(SIGPIPE, SIG_IGN);
    if (options.store != NULL)
        return dump_store(options.store);
    if (index_dir_find(options.directory, &fd) < 0)
        return EXIT_FAILURE;
    exit_code = index_dir_become_owner(fd) == 0 ? dump(options.directory, fd) : EXIT_FAILURE;
    close(fd);
    return exit_code;
}
