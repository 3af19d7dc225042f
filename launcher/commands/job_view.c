#include "launcher/commands/job_view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "launcher/commands/interrupts.h"
#include "launcher/quantity.h"

#define PLAIN_MS      10000 /* between lines that go to no terminal */
#define CLEAR         "\r\033[K"
#define COLUMNS       80 /* of a terminal that doesn't say */
#define SHOWN_LONG_MS 1000

bool job_view_can_redraw(int fd)
{
    const char *term = getenv("TERM");

    return isatty(fd) && term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
}

static unsigned columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : COLUMNS;
}

void job_view_init(struct job_view *view, bool json)
{
    *view =
        (struct job_view){.json = json, .is_terminal = !json && job_view_can_redraw(STDERR_FILENO)};
    if (view->is_terminal)
        interrupts_set_farewell(STDERR_FILENO, CLEAR);
}

const char *job_view_clearing(const struct job_view *view)
{
    return view->is_terminal ? CLEAR : "";
}

void job_view_clear(struct job_view *view)
{
    if (view->is_drawn)
        fputs(CLEAR, stderr);
    view->is_drawn = false;
}

static int show_finding(struct job_view *view, const json_t *json)
{
    struct buf text = {0};
    int rc = job_line_append_finding(&text, json);

    if (rc == 0) {
        job_view_clear(view);
        fwrite(buf_bytes(&text), 1, buf_size(&text), stdout);
    }
    buf_deinit(&text);
    return rc;
}

void job_view_add(struct job_view *view, const struct job_line *line)
{
    progress_add(&view->progress, line);
    view->line = *line;
    view->has_line = true;
}

static int take(struct job_view *view, const json_t *json)
{
    struct job_line line;

    if (job_line_read(json, &line) < 0)
        return view->json || view->is_quiet ? 0 : show_finding(view, json);
    job_view_add(view, &line);
    return 0;
}

int job_view_take(struct job_view *view, const char *bytes, size_t len)
{
    json_t *json = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
    int rc = json_is_object(json) ? take(view, json) : -EPROTO;

    json_decref(json);
    if (rc == 0 && view->json) {
        fwrite(bytes, 1, len, stdout);
        putchar('\n');
    }
    return rc;
}

static void draw(struct job_view *view)
{
    char text[PROGRESS_TEXT_MAX];

    fprintf(stderr, CLEAR "%s", progress_bar(&view->progress, &view->line, columns(), text));
    view->is_drawn = true;
}

static void tell(struct job_view *view)
{
    char name[JOB_LINE_NAME_MAX];
    char text[PROGRESS_TEXT_MAX];

    if (view->line.elapsed_ms - view->told_at < PLAIN_MS)
        return;
    view->told_at = view->line.elapsed_ms;
    fprintf(stderr, "%s, %s\n", job_line_name(&view->line, name),
            progress_sentence(&view->progress, &view->line, text));
}

static int flush(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return errno != 0 ? -errno : -EIO;
}

int job_view_settle(struct job_view *view)
{
    int rc = flush();

    if (rc < 0 || view->json || view->is_quiet || !view->has_line || !view->line.is_running)
        return rc;
    if (view->is_terminal)
        draw(view);
    else
        tell(view);
    fflush(stderr);
    return 0;
}

int job_view_end(struct job_view *view)
{
    const struct job_line *line = &view->line;
    char name[JOB_LINE_NAME_MAX];
    char text[QUANTITY_TEXT_MAX];
    FILE *out;

    job_view_clear(view);
    fflush(stderr);
    if (view->json)
        return flush();
    if (line->findings_left_out > 0 && !view->is_quiet)
        printf("%" PRIu64 " more were found than are told here\n", line->findings_left_out);
    out = line->is_failed ? stderr : stdout;
    fprintf(out, "%s %s %s", job_line_name(line, name), line->is_failed ? "has" : "is",
            line->state);
    if (line->elapsed_ms >= SHOWN_LONG_MS)
        fprintf(out, " after %s", quantity_duration((int64_t)line->elapsed_ms, text));
    fprintf(out, ": %s\n", line->text);
    return flush();
}
