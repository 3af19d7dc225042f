/* `mkv status`: what a running index says of itself, for people or, as it comes, for programs;
 * once, or each second anew. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "index/base/buf.h"
#include "launcher/commands.h"
#include "launcher/commands/admin_client.h"
#include "launcher/commands/index_dir.h"
#include "launcher/commands/interrupts.h"
#include "launcher/commands/job_view.h"
#include "launcher/commands/status_text.h"

#define ANSWER_MAX (16UL << 20)
#define WATCH_MS   1000
#define ROWS       24 /* of a terminal that doesn't say */

/* A screen of its own, where long lines are cut; and back. (xterm's private modes 1049, 25 and 7)
 */
#define SCREEN_ENTER "\033[?1049h\033[?25l\033[?7l"
#define SCREEN_LEAVE "\033[?7h\033[?25h\033[?1049l"
#define SCREEN_HOME  "\033[H"
#define REST_OF_LINE "\033[K"
#define REST_OF_ALL  "\033[J"

struct status_options {
    struct basic_options basic;
    const char *directory;
    bool json;
    bool watch;
};

static const struct option status_option_table[] = {
    INDEX_DIR_OPTION(struct status_options, directory),
    {"json", NULL, NULL, "print one line of JSON", option_set_bool,
     offsetof(struct status_options, json)},
    {"watch", NULL, NULL, "print it again each second, until Ctrl-C", option_set_bool,
     offsetof(struct status_options, watch)},
    BASIC_OPTIONS,
};

const struct command status_command = {
    .name = "status",
    .operands = "",
    .summary = "Show the state of a running index.",
    .details =
        "Fails if no index runs on that directory. It never opens the index's files itself,\n"
        "because an index that starts then would find them locked. In colour on a terminal, unless "
        "the\n"
        "environment variable NO_COLOR is set.\n",
    .options = status_option_table,
    .n_options = sizeof(status_option_table) / sizeof(status_option_table[0]),
};

/* https://no-color.org */
static bool has_colour(void)
{
    const char *no_color = getenv("NO_COLOR");

    return job_view_can_redraw(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0');
}

/* --- One answer ------------------------------------------------------------------------------ */

static int gather_cb(const char *bytes, size_t len, void *arg)
{
    struct buf *answer = arg;

    return buf_size(answer) + len > ANSWER_MAX ? -EPROTO : buf_append(answer, bytes, len);
}

/* A cut answer has no end of a line. */
static int print_answer(const struct status_options *options, const struct buf *answer, FILE *out)
{
    size_t n = buf_size(answer);

    if (n == 0 || buf_bytes(answer)[n - 1] != '\n')
        return -EPROTO;
    if (!options->json)
        return status_text_write(out, has_colour(), buf_bytes(answer), n);
    fwrite(buf_bytes(answer), 1, n, out);
    return 0;
}

/* Asks, and writes the answer to `out`. 0, or -errno with what went wrong, a line, in `out`. */
static int ask(const struct status_options *options, int directory, FILE *out)
{
    struct buf answer = {0};
    int rc = admin_client_get(directory, "/status", gather_cb, &answer);

    if (rc == 0)
        rc = print_answer(options, &answer, out);
    buf_deinit(&answer);
    if (rc == -ENOENT || rc == -ECONNREFUSED)
        fprintf(out, "no index runs on %s: start mkv index, or name its directory with --index DIR",
                options->directory);
    else if (rc < 0)
        fprintf(out, "the index on %s gives no good answer: %s; look at its log",
                options->directory, strerror(-rc));
    return rc;
}

/* The same in memory that is the caller's to free. */
static int ask_for_text(const struct status_options *options, int directory, char **text,
                        size_t *len)
{
    FILE *out = open_memstream(text, len);
    int rc;

    if (out == NULL)
        return -ENOMEM;
    rc = ask(options, directory, out);
    if (fclose(out) == 0)
        return rc;
    free(*text);
    *text = NULL;
    return -ENOMEM;
}

static int flush(void)
{
    int rc;

    if (fflush(stdout) == 0)
        return 0;
    rc = -errno;
    log_error("cannot write the status: %s", strerror(-rc));
    return rc;
}

static int print_once(const struct status_options *options, int directory)
{
    char *text = NULL;
    size_t len = 0;
    int rc = ask_for_text(options, directory, &text, &len);

    if (rc == 0)
        fwrite(text, 1, len, stdout);
    else
        log_error("%s", text != NULL ? text : strerror(-rc));
    free(text);
    return rc == 0 ? flush() : rc;
}

/* --- Again and again ------------------------------------------------------------------------- */

static unsigned rows(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : ROWS;
}

/* Draws as many lines as there is room for, over those of a second ago. */
static void draw(const char *text)
{
    unsigned left = rows();

    fputs(SCREEN_HOME, stdout);
    for (; *text != '\0' && left > 1; left--) {
        size_t n = strcspn(text, "\n");

        printf("%.*s" REST_OF_LINE "\n", (int)n, text);
        text += text[n] == '\n' ? n + 1 : n;
    }
    fputs(*text != '\0' ? "(there is more)" REST_OF_ALL : REST_OF_ALL, stdout);
}

/* For no terminal the answers follow each other; an index that is away for a while is a line. */
static int show(const struct status_options *options, int directory, bool redraws)
{
    char *text = NULL;
    size_t len = 0;
    int rc = ask_for_text(options, directory, &text, &len);

    if (text == NULL)
        log_error("%s", strerror(-rc));
    else if (redraws)
        draw(text);
    else if (rc < 0)
        log_error("%s", text);
    else
        printf("%s%s", text, options->json ? "" : "\n");
    free(text);
    return flush();
}

static int watch(const struct status_options *options, int directory)
{
    bool redraws = job_view_can_redraw(STDOUT_FILENO) && !options->json;
    int rc = 0;

    interrupts_init();
    interrupts_admit(); /* an index that hangs holds nobody for long */
    if (redraws) {
        interrupts_set_farewell(STDOUT_FILENO, SCREEN_LEAVE);
        fputs(SCREEN_ENTER, stdout);
    }
    while (rc == 0 && interrupts_signal() == 0) {
        rc = show(options, directory, redraws);
        if (rc == 0 && interrupts_signal() == 0)
            interrupts_wait(-1, WATCH_MS);
    }
    if (redraws) {
        fputs(SCREEN_LEAVE, stdout);
        fflush(stdout);
    }
    return rc;
}

int status_main(int argc, char **argv)
{
    struct status_options options = {.basic = {.help = false}};
    int directory;
    int exit_code;
    int rc;
    int n;

    if (!command_begin(&status_command, argc, &argv, &options, &n, &exit_code))
        return exit_code;
    if (n != 0)
        return options_usage_error(&status_command, "status takes no operands: '%s'", argv[0]);
    log_set_level(LOG_LEVEL_WARN);
    signal(SIGPIPE, SIG_IGN);
    if (index_dir_find(options.directory, &directory) < 0)
        return EXIT_FAILURE;
    rc = options.watch ? watch(&options, directory) : print_once(&options, directory);
    close(directory);
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
