#include "index/store/postgres/pending.h"

#include <stdlib.h>
#include <string.h>

static enum change_kind kind_of_key(const struct store_change *c)
{
    switch (c->expect) {
    case STORE_NOTHING:
        return c->record != NULL ? KEY_INSERT : KEY_ABSENT;
    case STORE_EXACTLY:
        return c->record != NULL ? KEY_UPDATE : KEY_DELETE;
    case STORE_ANYTHING:
    case STORE_OWN:
        break;
    }
    return c->record != NULL ? KEY_SET : KEY_UNSET;
}

static enum change_kind kind_of_orphan(const struct store_change *c)
{
    switch (c->expect) {
    case STORE_NOTHING:
        return c->orphan != NULL ? ORPHAN_INSERT : ORPHAN_ABSENT;
    case STORE_EXACTLY:
        return c->orphan != NULL ? ORPHAN_UPDATE : ORPHAN_DELETE;
    case STORE_OWN:
        return c->orphan != NULL ? OWN_UPDATE : OWN_DELETE;
    case STORE_ANYTHING:
        break;
    }
    return c->orphan != NULL ? ORPHAN_SET : ORPHAN_UNSET;
}

static int add_span(struct pending *p, struct span *span, const void *bytes, size_t n)
{
    *span = (struct span){(uint32_t)buf_size(&p->bytes), (uint32_t)n};
    return buf_append(&p->bytes, bytes, n) < 0 ? UV_ENOMEM : 0;
}

static int add_record(struct pending *p, struct span *span, const struct record *record)
{
    unsigned char bytes[RECORD_MAX];

    return record == NULL ? 0 : add_span(p, span, bytes, record_encode_beside(record, bytes));
}

static int add_orphan(struct pending *p, struct span *span, const struct orphan *orphan)
{
    unsigned char bytes[ORPHAN_MAX];

    return orphan == NULL ? 0 : add_span(p, span, bytes, orphan_encode(orphan, bytes));
}

static void count_record(struct counts *delta, const struct record *record, int64_t by)
{
    if (record == NULL)
        return;
    if (record->flags & RECORD_UNLINKED)
        delta->unlinked += by;
    else
        delta->keys += by;
}

static int prepare_key(struct pending *p, struct pending_change *to, const struct store_change *c)
{
    const struct record *was = c->expect == STORE_EXACTLY ? c->was : NULL;
    int rc;

    to->kind = kind_of_key(c);
    to->generation = c->record != NULL ? c->record->generation : 0;
    to->was_generation = was != NULL ? was->generation : 0;
    if (to->kind != KEY_UNSET)
        count_record(&to->delta, c->record, 1);
    count_record(&to->delta, was, -1);
    rc = add_record(p, &to->columns[COLUMN_WAS], was);
    return rc < 0 ? rc : add_record(p, &to->columns[COLUMN_IS], c->record);
}

static int prepare_orphan(struct pending *p, struct pending_change *to,
                          const struct store_change *c)
{
    const struct orphan *was = c->expect == STORE_EXACTLY ? c->orphan_was : NULL;
    int rc;

    to->kind = kind_of_orphan(c);
    to->generation = c->generation;
    to->time = c->orphan != NULL ? orphan_time(c->orphan, c->generation) : 0;
    if (!blob_time_counts(to->time))
        to->time = 0; /* the column is what store_view() goes by */
    to->delta.orphans = to->kind == ORPHAN_INSERT;
    if (to->kind == ORPHAN_DELETE || to->kind == OWN_DELETE)
        to->delta.orphans = -1;
    rc = add_orphan(p, &to->columns[COLUMN_WAS], was);
    return rc < 0 ? rc : add_orphan(p, &to->columns[COLUMN_IS], c->orphan);
}

static int prepare(struct pending *p, const struct store_change *c)
{
    struct pending_change *to = &p->changes[p->n++];
    int rc;

    assert(memchr(c->key, '\0', c->len) == NULL && c->len >= 1 && c->len <= STORE_KEY_MAX);
    *to = (struct pending_change){.time = 0};
    rc = add_span(p, &to->columns[COLUMN_KEY], c->key, c->len);
    if (rc < 0)
        return rc;
    return c->space == STORE_KEYS ? prepare_key(p, to, c) : prepare_orphan(p, to, c);
}

void pending_free(struct pending *p)
{
    buf_deinit(&p->bytes);
    free(p);
}

struct pending *pending_new(struct postgres_engine *e, struct store_commit *commit,
                            const struct store_change *changes, size_t n)
{
    struct pending *p = calloc(1, sizeof(*p));
    int rc = 0;

    if (p == NULL)
        return NULL;
    p->commit = commit;
    p->until = uv_now(e->loop) + PATIENCE_MS;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = prepare(p, &changes[i]);
    if (rc == 0)
        return p;
    pending_free(p);
    return NULL;
}
