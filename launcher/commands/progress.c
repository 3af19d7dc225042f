#include "launcher/commands/progress.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "launcher/quantity.h"

#define AVERAGE_MS 5000.0 /* what is longer ago counts for little */
#define SAMPLE_MS  200    /* that lines must be apart, to be reckoned with */
#define BAR_WIDE   20
#define BAR_NARROW 10
#define WIDE       60 /* columns from which on the wide one is drawn */

/* --- Rates ----------------------------------------------------------------------------------- */

static void begin(struct progress *p, const struct job_line *line)
{
    *p = (struct progress){
        .has_line = true, .elapsed_ms = line->elapsed_ms, .done = line->done, .bytes = line->bytes};
    strcpy(p->phase, line->phase);
}

static double mix(double before, double now, double ms)
{
    return before + (now - before) * (ms / (ms + AVERAGE_MS));
}

void progress_add(struct progress *p, const struct job_line *line)
{
    double ms = (double)line->elapsed_ms - (double)p->elapsed_ms;
    double done_rate;
    double bytes_rate;

    if (!p->has_line || strcmp(p->phase, line->phase) != 0 || line->done < p->done ||
        line->bytes < p->bytes) {
        begin(p, line);
        return;
    }
    if (ms < SAMPLE_MS)
        return;
    done_rate = (double)(line->done - p->done) * 1000 / ms;
    bytes_rate = (double)(line->bytes - p->bytes) * 1000 / ms;
    p->done_rate = p->has_rate ? mix(p->done_rate, done_rate, ms) : done_rate;
    p->bytes_rate = p->has_rate ? mix(p->bytes_rate, bytes_rate, ms) : bytes_rate;
    p->has_rate = true;
    p->elapsed_ms = line->elapsed_ms;
    p->done = line->done;
    p->bytes = line->bytes;
}

void progress_guess(struct progress *p, const struct job_line *line)
{
    begin(p, line);
    if (line->elapsed_ms < SAMPLE_MS)
        return;
    p->done_rate = (double)line->done * 1000 / (double)line->elapsed_ms;
    p->bytes_rate = (double)line->bytes * 1000 / (double)line->elapsed_ms;
    p->has_rate = true;
}

uint64_t progress_left(const struct progress *p, const struct job_line *line)
{
    double seconds;

    if (!p->has_rate || p->done_rate <= 0 || line->total == 0)
        return UINT64_MAX;
    if (line->done >= line->total)
        return 0;
    seconds = (double)(line->total - line->done) / p->done_rate;
    return seconds < 1e9 ? (uint64_t)(seconds * 1000) : UINT64_MAX;
}

/* --- Text ------------------------------------------------------------------------------------ */

struct row {
    char *text;
    size_t n;
    size_t max; /* bytes, PROGRESS_TEXT_MAX - 1 at most */
};

/* Appends all of it or, where it has no room, nothing. */
static bool add(struct row *row, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool add(struct row *row, const char *format, ...)
{
    char piece[PROGRESS_TEXT_MAX];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(piece, sizeof(piece), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(piece) || row->n + (size_t)n > row->max)
        return false;
    memcpy(row->text + row->n, piece, (size_t)n + 1);
    row->n += (size_t)n;
    return true;
}

static unsigned percent_of(const struct job_line *line)
{
    if (line->total == 0)
        return 0;
    return line->done >= line->total ? 100
                                     : (unsigned)((double)line->done * 100 / (double)line->total);
}

static void add_bar(struct row *row, const struct job_line *line, unsigned width)
{
    static const char full[] = "####################";
    static const char empty[] = "....................";
    unsigned n = percent_of(line) * width / 100;

    static_assert(sizeof(full) - 1 == BAR_WIDE && sizeof(empty) == sizeof(full), "the bar");
    add(row, " [%.*s%.*s]", (int)n, full, (int)(width - n), empty);
}

static void add_rates(struct row *row, const struct progress *p, const struct job_line *line,
                      const char *between)
{
    char text[QUANTITY_TEXT_MAX];

    if (!p->has_rate)
        return;
    add(row, "%s%s %s/s", between, quantity_rate(p->done_rate, text), line->noun);
    if (line->bytes > 0)
        add(row, "%s%s/s", between, quantity_size(p->bytes_rate, text));
}

static void add_left(struct row *row, const struct progress *p, const struct job_line *line,
                     const char *between)
{
    uint64_t left = progress_left(p, line);
    char text[QUANTITY_TEXT_MAX];

    if (left != UINT64_MAX) /* "0 s left" would be a promise */
        add(row, "%s%s left", between, quantity_duration((int64_t)left + 999, text));
}

const char *progress_bar(const struct progress *p, const struct job_line *line, unsigned columns,
                         char text[PROGRESS_TEXT_MAX])
{
    struct row row = {.text = text, .max = columns > 0 ? columns - 1 : 0};

    if (row.max > PROGRESS_TEXT_MAX - 1)
        row.max = PROGRESS_TEXT_MAX - 1;
    text[0] = '\0';
    add(&row, "%s", line->kind);
    if (line->total > 0) {
        add_bar(&row, line, columns >= WIDE ? BAR_WIDE : BAR_NARROW);
        add(&row, " %u%%", percent_of(line));
    } else {
        add(&row, " %" PRIu64 " %s", line->done, line->noun);
    }
    add_left(&row, p, line, "  ");
    if (p->done_rate > 0)
        add_rates(&row, p, line, "  ");
    else /* what does it wait for? */
        add(&row, "  %s", line->phase);
    if (line->counts[0] != '\0')
        add(&row, "  %s", line->counts);
    else if (p->done_rate > 0)
        add(&row, "  %s", line->phase);
    return text;
}

const char *progress_sentence(const struct progress *p, const struct job_line *line,
                              char text[PROGRESS_TEXT_MAX])
{
    struct row row = {.text = text, .max = PROGRESS_TEXT_MAX - 1};

    text[0] = '\0';
    add(&row, "%s%s: ", line->phase, line->is_held ? " (held: too many volumes are away)" : "");
    if (line->total > 0)
        add(&row, "%u%% (%" PRIu64 " of %" PRIu64 " %s)", percent_of(line), line->done, line->total,
            line->noun);
    else
        add(&row, "%" PRIu64 " %s", line->done, line->noun);
    add_rates(&row, p, line, ", ");
    add_left(&row, p, line, ", ");
    if (line->counts[0] != '\0')
        add(&row, "; %s", line->counts);
    return text;
}
