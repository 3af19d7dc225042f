/* Happy path: the request is sent; empty lines come while the volume is at it, and then "done".
 *
 * Failures: the volume says which sources it lacks, and "none"; it says why it can't; or its answer
 * is cut off, and the blob may be there or not. */
#include "index/cluster/assemble.h"

#include <string.h>

#include "index/base/hex.h"
#include "index/base/log.h"

/* --- The answer ------------------------------------------------------------------------------ */

static bool read_done(struct assemble *a, const char *line)
{
    if (strncmp(line, "done", 4) != 0 || (line[4] != '\0' && line[4] != '\t'))
        return false;
    a->has_md5 = line[4] == '\t';
    return !a->has_md5 || (hex_read(line + 5, a->md5, MD5_SIZE) && line[5 + 2 * MD5_SIZE] == '\0');
}

/* A source that the volume hasn't got, or not as it should be. */
static bool is_source(const char *line)
{
    const char *tab = strchr(line, '\t');

    return *line == '/' && tab != NULL &&
           (strcmp(tab, "\tmissing") == 0 || strcmp(tab, "\tdiffers") == 0);
}

/* What the answer comes to by this line; 0: nothing yet, or negative when it makes no sense. */
static int read_verdict(struct assemble *a, const char *line)
{
    if (*line == '\0')
        return 0;
    if (is_source(line)) {
        log_limited(LOG_LEVEL_WARN, "volume %s can't make a blob: %s", a->volume->name, line);
        return 0;
    }
    if (read_done(a, line))
        return 201;
    if (strcmp(line, "none") == 0)
        return 409;
    if (strncmp(line, "full\t", 5) == 0)
        return 507;
    if (strncmp(line, "error\t", 6) != 0)
        return -1;
    log_limited(LOG_LEVEL_WARN, "volume %s can't make a blob: %s", a->volume->name, line + 6);
    return 500;
}

static bool take_line_cb(void *arg, const char *line)
{
    struct assemble *a = arg;
    int verdict = a->verdict == 0 ? read_verdict(a, line) : -1; /* nothing comes after the last */

    if (verdict > 0)
        a->verdict = verdict;
    return verdict >= 0;
}

void assemble_read(struct assemble *a, const char *bytes, size_t n)
{
    answer_lines_add(&a->lines, bytes, n, take_line_cb, a);
}

static bool write_cb(struct transfer *transfer, const char *bytes, size_t n)
{
    assemble_read(transfer->data, bytes, n);
    return true;
}

/* --- The request ----------------------------------------------------------------------------- */

/* Statuses by which a volume, or nginx without mkv, says that it has begun nothing. */
static bool is_refusal(int status)
{
    return (status >= 400 && status < 500) || status == 501 || status == 503;
}

static void settle(struct assemble *a, int rc, int status)
{
    a->is_unable = rc == 0 && is_refusal(status);
    a->may_hold = rc != UV_ECONNREFUSED && !a->is_unable && status != 507;
    /* It has said its last word only by one that comes after a 200. */
    a->is_late = a->may_hold && a->verdict == 0;
    if (a->is_unable && status != 409)
        log_limited(LOG_LEVEL_WARN, "volume %s answered POST /_mkv/assemble with %d",
                    a->volume->name, status);
}

static void answered_cb(struct transfer *transfer, int rc, int status)
{
    struct assemble *a = transfer->data;

    if (a->lines.is_bad)
        a->verdict = 0;
    if (rc == 0 && status == 200) {
        rc = a->verdict != 0 ? 0 : a->lines.is_bad ? UV_EPROTO : UV_ECONNRESET;
        status = a->verdict;
    }
    answer_lines_deinit(&a->lines);
    settle(a, rc, status);
    a->done(a, rc, status);
}

int assemble_start(struct assemble *a, struct transfers *transfers, struct volume *volume,
                   struct recipe *recipe, const struct recipe_target *target, assemble_done_cb done)
{
    const char *body = recipe_body(recipe, volume, target);
    char url[PLACEMENT_URL_MAX];
    void *data = a->data;
    uint64_t until = a->until;

    if (body == NULL)
        return UV_ENOMEM;
    *a = (struct assemble){.data = data, .until = until, .done = done, .volume = volume};
    a->transfer = (struct transfer){.data = a, .volume = volume, .until = until};
    placement_url(volume->name, NULL, "/_mkv/assemble", url);
    return transfer_post(transfers, &a->transfer, url, body, 0, write_cb, answered_cb);
}

void assemble_cancel(struct assemble *a)
{
    transfer_cancel(&a->transfer);
}
