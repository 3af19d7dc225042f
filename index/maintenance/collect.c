/* Happy path: each volume has a stream, a GET whose answer is cut into lines as it comes; each line
 * is a file. The last line says that it was all.
 *
 * Failures: an answer that ends without that line, or isn't 200, is asked for again a second later,
 * after the last file that was seen. After TRIES in a row that brought nothing, all ends. */
#include "index/maintenance/collect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/base64.h"
#include "index/base/buf.h"
#include "index/base/log.h"
#include "index/cluster/sign.h"
#include "index/cluster/transfer.h"

#define TRIES     5
#define RETRY     1000 /* ms */
#define TICK      200  /* ms between looks at what failed, or is to be tried again */
#define LINE_LONG (PLACEMENT_FULL_PATH_MAX + 64 + BASE64_SIZE(4096))
#define QUERY_MAX (sizeof("/_mkv/list?attributes=no&after=") + PLACEMENT_FULL_PATH_MAX)

struct stream {
    struct collector *collector;
    size_t volume;
    struct transfer transfer;
    struct buf line; /* the beginning of one whose rest is to come */
    char after[PLACEMENT_FULL_PATH_MAX];
    bool ended;      /* the last line was there */
    bool progressed; /* in this try */
    unsigned tries;
    uint64_t retry_at; /* loop time, or 0 */
    char problem[128]; /* that the volume told of, or "" */
};

struct collector {
    struct collect *collect;
    uv_loop_t loop;
    uv_timer_t tick;
    struct transfers *transfers;
    struct stream *streams;
    size_t n_open; /* streams that haven't ended */
    int rc;
};

static void fail(struct collector *c, int rc)
{
    if (c->rc == 0)
        c->rc = rc;
    transfers_abort(c->transfers);
}

/* --- Lines ----------------------------------------------------------------------------------- */

/* Cuts the next field off; false when there is none. */
static bool take_field(char **line, size_t *left, char **field, size_t *len)
{
    char *tab;

    if (*line == NULL)
        return false;
    tab = memchr(*line, '\t', *left);
    *field = *line;
    *len = tab != NULL ? (size_t)(tab - *line) : *left;
    *left -= *len + (tab != NULL);
    *line = tab != NULL ? tab + 1 : NULL;
    return true;
}

static bool take_number(char **line, size_t *left, uint64_t *number)
{
    char *field;
    size_t len;

    if (!take_field(line, left, &field, &len) || len == 0 || len > 19)
        return false;
    *number = 0;
    for (size_t i = 0; i < len; i++) {
        if (field[i] < '0' || field[i] > '9')
            return false;
        *number = 10 * *number + (uint64_t)(field[i] - '0');
    }
    return true;
}

/* Decodes the attribute in place. */
static bool take_note(char **line, size_t *left, struct collected *blob)
{
    char *field;
    size_t len;

    if (!take_field(line, left, &field, &len) || *line != NULL)
        return false;
    blob->note = field;
    blob->note_len = 0;
    if (len == 1 && *field == '-')
        return true;
    return base64_decode(field, len, (unsigned char *)field, &blob->note_len) == 0;
}

static int take_file(struct stream *s, char *line, size_t left)
{
    struct collect *collect = s->collector->collect;
    struct collected blob = {.volume = s->volume};
    struct placement_name name;
    char *path;
    size_t len;

    if (!take_field(&line, &left, &path, &len) || len >= sizeof(s->after) ||
        !take_number(&line, &left, &blob.size) || !take_number(&line, &left, &blob.time) ||
        !take_note(&line, &left, &blob))
        return UV_EPROTO;
    memcpy(s->after, path, len);
    s->after[len] = '\0';
    s->progressed = true;
    blob.name = &name;
    if (!placement_parse(path, len, &name)) {
        collect->strangers++;
        return 0;
    }
    return collect->blob_cb(&blob, collect->arg);
}

static int take_line(struct stream *s, char *line, size_t len)
{
    if (len == 0) /* the volume is still looking */
        return 0;
    if (*line == '/')
        return take_file(s, line, len);
    if (len == 3 && memcmp(line, "end", 3) == 0) {
        s->ended = true;
        return 0;
    }
    if (len > 6 && memcmp(line, "error\t", 6) == 0) {
        snprintf(s->problem, sizeof(s->problem), "%.*s", (int)(len - 6), line + 6);
        return 0;
    }
    return len > 5 && memcmp(line, "more\t", 5) == 0 ? 0 : UV_EPROTO;
}

/* Takes the whole lines of what has come, and keeps the rest. */
static int take_lines(struct stream *s, const char *bytes, size_t n)
{
    size_t used = 0;
    char *newline;
    char *at;
    int rc = 0;

    if (buf_append(&s->line, bytes, n) < 0)
        return UV_ENOMEM;
    at = (char *)buf_bytes(&s->line);
    while (rc == 0 && (newline = memchr(at + used, '\n', buf_size(&s->line) - used)) != NULL) {
        rc = take_line(s, at + used, (size_t)(newline - at) - used);
        used = (size_t)(newline - at) + 1;
    }
    buf_consume(&s->line, used);
    return rc == 0 && buf_size(&s->line) > LINE_LONG ? UV_EPROTO : rc;
}

/* --- Streams --------------------------------------------------------------------------------- */

static bool write_cb(struct transfer *transfer, const char *bytes, size_t n)
{
    struct stream *s = transfer->data;
    struct collector *c = s->collector;
    int rc;

    if (c->rc == 0 && (rc = take_lines(s, bytes, n)) < 0) {
        if (rc == UV_EPROTO)
            log_error("volume %s sends no list of its files: is it another version of mkv?",
                      c->collect->volumes[s->volume]);
        c->rc = rc; /* tick_cb() ends the transfers: not from within one */
    }
    return true;
}

static void note_problem(struct stream *s, int rc, int status)
{
    if (s->problem[0] != '\0')
        return;
    if (rc < 0)
        snprintf(s->problem, sizeof(s->problem), "%s", uv_strerror(rc));
    else if (status == 403)
        snprintf(s->problem, sizeof(s->problem),
                 "it refuses us: give the --secret-file that it has, and look at the clocks");
    else if (status != 200)
        snprintf(s->problem, sizeof(s->problem), "it answers %d", status);
    else
        snprintf(s->problem, sizeof(s->problem), "its answer was cut off");
}

/* A volume that wants a ticket says who it is by its refusal. */
static bool has_said_who(struct stream *s, const struct transfer *transfer, int status)
{
    struct collect *collect = s->collector->collect;
    char *identity = collect->identities[s->volume];

    if (status != 403 || collect->signer == NULL || identity[0] != '\0' ||
        transfer->volume_id[0] == '\0')
        return false;
    strcpy(identity, transfer->volume_id);
    return true;
}

static void listed_cb(struct transfer *transfer, int rc, int status)
{
    struct stream *s = transfer->data;
    struct collector *c = s->collector;
    struct collect *collect = c->collect;

    if (c->rc == 0 && rc == 0 && status == 200 && s->ended) {
        strcpy(collect->identities[s->volume], transfer->volume_id);
        if (collect->listed != NULL)
            collect->listed[s->volume] = true;
        c->n_open--;
        return;
    }
    if (c->rc < 0) {
        c->n_open--;
        return;
    }
    if (has_said_who(s, transfer, status)) {
        s->retry_at = 1; /* at the next tick */
        return;
    }
    note_problem(s, rc, status);
    s->tries = s->progressed ? 1 : s->tries + 1;
    if (rc == 0 && (status == 404 || status == 403)) /* nginx and nothing of mkv; no secret */
        s->tries = TRIES;
    if (s->tries < TRIES) {
        s->retry_at = uv_now(&c->loop) + RETRY;
        return;
    }
    log_error("volume %s can't be listed: %s; check that it runs", collect->volumes[s->volume],
              s->problem);
    c->n_open--;
    if (collect->listed == NULL)
        c->rc = UV_EREMOTEIO;
}

static void list(struct stream *s)
{
    struct collector *c = s->collector;
    const char *name = c->collect->volumes[s->volume];
    char path[QUERY_MAX];
    char url[PLACEMENT_URL_MAX + QUERY_MAX];
    int rc;

    s->retry_at = 0;
    s->progressed = false;
    s->problem[0] = '\0';
    buf_clear(&s->line);
    snprintf(path, sizeof(path), "/_mkv/list?%safter=%s",
             c->collect->without_notes ? "attributes=no&" : "", s->after);
    snprintf(url, sizeof(url), "%s%s%s", volume_name_scheme(name), name, path);
    s->transfer.data = s;
    s->transfer.volume = NULL;
    s->transfer.identity = c->collect->identities[s->volume];
    s->transfer.anew = s->tries > 0;
    rc = transfer_get(c->transfers, &s->transfer, url, 0, write_cb, listed_cb);
    if (rc < 0) {
        c->n_open--;
        fail(c, rc);
    }
}

static void tick_cb(uv_timer_t *timer)
{
    struct collector *c = timer->data;

    if (c->collect->tick_cb != NULL && c->rc == 0)
        c->rc = c->collect->tick_cb(c->collect->arg);
    for (size_t i = 0; i < c->collect->n_volumes; i++) {
        struct stream *s = &c->streams[i];

        if (s->retry_at == 0 || (c->rc == 0 && uv_now(&c->loop) < s->retry_at))
            continue;
        s->retry_at = 0;
        if (c->rc == 0)
            list(s);
        else
            c->n_open--;
    }
    if (c->rc < 0)
        transfers_abort(c->transfers);
}

/* --- All of them ----------------------------------------------------------------------------- */

static void freed_cb(void *arg)
{
    uv_close((uv_handle_t *)arg, NULL);
}

static void collect_all(struct collector *c)
{
    for (size_t i = 0; i < c->collect->n_volumes; i++) {
        c->streams[i].collector = c;
        c->streams[i].volume = i;
        c->n_open++;
    }
    for (size_t i = 0; i < c->collect->n_volumes; i++)
        list(&c->streams[i]);
    uv_timer_start(&c->tick, tick_cb, TICK, TICK);
    while (c->n_open > 0)
        uv_run(&c->loop, UV_RUN_ONCE);
    for (size_t i = 0; i < c->collect->n_volumes; i++)
        buf_deinit(&c->streams[i].line);
}

int collect_run(struct collect *collect)
{
    struct collector c = {.collect = collect};
    int rc = uv_loop_init(&c.loop);

    if (rc < 0)
        return rc;
    uv_timer_init(&c.loop, &c.tick);
    c.tick.data = &c;
    c.streams = calloc(collect->n_volumes + 1, sizeof(*c.streams));
    rc = c.streams == NULL ? UV_ENOMEM
                           : transfers_new(&c.loop, &transfer_default_limits, &c.transfers);
    if (rc == 0) {
        if (collect->signer != NULL)
            transfers_set_signer(c.transfers, collect->signer);
        transfers_set_volumes(c.transfers, collect->n_volumes);
        if (collect->tls != NULL)
            rc = transfers_set_tls(c.transfers, collect->tls);
        if (rc == 0) {
            collect_all(&c);
            rc = c.rc;
        }
        transfers_free(c.transfers, freed_cb, &c.tick);
    } else {
        freed_cb(&c.tick);
    }
    uv_run(&c.loop, UV_RUN_DEFAULT);
    uv_loop_close(&c.loop);
    free(c.streams);
    if (rc == UV_ENOMEM)
        log_error("the volumes can't be listed: out of memory");
    return rc;
}
