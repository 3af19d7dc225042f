/* `mkv restore`: makes an index of what `mkv dump` wrote. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/maintenance/restore.h"
#include "launcher/commands.h"
#include "launcher/commands/index_dir.h"
#include "launcher/commands/settings.h"
#include "launcher/commands/watch.h"
#include "launcher/store_option.h"

#define LINES_BETWEEN 256 /* two looks at the clock */

struct options {
    struct basic_options basic;
    const char *directory;
    const char *store;
    bool replace;
    bool no_orphans;
};

static const struct option restore_option_table[] = {
    INDEX_DIR_OPTION(struct options, directory),
    STORE_OPTION(struct options, store),
    {"replace", NULL, NULL, "restore over an index that isn't empty, and lose what it holds",
     option_set_bool, offsetof(struct options, replace)},
    {"no-orphans", NULL, NULL, "leave out the blobs that were waiting to be removed",
     option_set_bool, offsetof(struct options, no_orphans)},
    BASIC_OPTIONS,
};

const struct command restore_command = {
    .name = "restore",
    .operands = "[FILE]",
    .summary = "Make an index from a dump: FILE, or standard input.",
    .details = "The index must not run. It changes in one step at the end, if the whole dump is\n"
               "good; until then it holds what it did before. With --store the database does.\n",
    .options = restore_option_table,
    .n_options = sizeof(restore_option_table) / sizeof(restore_option_table[0]),
};

static int report(const struct dump_counts *counts, const struct options *options, uint64_t ms)
{
    double seconds = (double)ms / 1000;
    uint64_t keys = counts->keys + counts->unlinked;

    printf("restored %" PRIu64 " keys, %" PRIu64 " of them unlinked, and %" PRIu64
           " orphans in %.1f s",
           keys, counts->unlinked, options->no_orphans ? 0 : counts->orphans, seconds);
    if (seconds >= 1) /* of less, a rate says nothing */
        printf(" (%.0f keys/s)", (double)keys / seconds);
    puts("");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What is shown, and the size of the dump: 0 where it comes through a pipe. */
struct view {
    struct watch watch;
    uint64_t size;
};

/* How many lines there are in all is guessed by those that were read. */
static void progress_cb(uint64_t lines, uint64_t bytes, void *arg)
{
    struct view *view = arg;
    struct job_line line = {.kind = "restore", .noun = "keys", .done = lines, .phase = "reading"};

    if (lines % LINES_BETWEEN != 0)
        return;
    if (view->size >= bytes)
        line.total = (uint64_t)((double)lines * (double)view->size / (double)bytes);
    watch_show(&view->watch, &line);
}

static int restore(const struct options *options, const char *directory, const char *name,
                   int input)
{
    struct view view = {.size = 0};
    const struct restore_options how = {
        .directory = directory,
        .store_uri = options->store,
        .name = name,
        .input = input,
        .replace = options->replace,
        .skip_orphans = options->no_orphans,
        .progress_cb = progress_cb,
        .arg = &view,
    };
    struct dump_counts counts;
    struct stat st;
    int rc;

    if (fstat(input, &st) == 0 && S_ISREG(st.st_mode))
        view.size = (uint64_t)st.st_size;
    watch_begin(&view.watch, true);
    rc = restore_run(&how, &counts);
    watch_end(&view.watch);
    return rc < 0 ? EXIT_FAILURE : report(&counts, options, watch_elapsed_ms(&view.watch));
}

static int restore_from(const struct options *options, const char *name, int input)
{
    char *directory;
    int exit_code;

    if (options->store != NULL)
        return restore(options, NULL, name, input);
    if (index_dir_prepare(options->directory, &directory) < 0)
        return EXIT_FAILURE;
    exit_code = settings_refuse_last_store(directory) == 0
                    ? restore(options, directory, name, input)
                    : EXIT_FAILURE;
    free(directory);
    return exit_code;
}

int restore_main(int argc, char **argv)
{
    struct options options = {.basic = {.help = false}};
    int input = STDIN_FILENO;
    const char *problem;
    int exit_code;
    int n;

    if (!command_begin(&restore_command, argc, &argv, &options, &n, &exit_code))
        return exit_code;
    if (n > 1)
        return options_usage_error(&restore_command, "restore takes one FILE at most: '%s'",
                                   argv[1]);
    problem = options.store != NULL ? store_option_problem(options.store) : NULL;
    if (problem != NULL)
        return options_usage_error(&restore_command, "--store %s", problem);
    log_set_level(LOG_LEVEL_WARN);
    if (n == 0 || strcmp(argv[0], "-") == 0)
        return restore_from(&options, "standard input", input);
    input = open(argv[0], O_RDONLY | O_CLOEXEC);
    if (input < 0) {
        log_error("cannot open the dump %s: %s", argv[0], strerror(errno));
        return EXIT_FAILURE;
    }
    exit_code = restore_from(&options, argv[0], input);
    close(input);
    return exit_code;
}
