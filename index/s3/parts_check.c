#include "index/s3/parts_check.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_PARTS 16 /* between looks at the clock */

enum s3_error parts_check_init(struct parts_check *c)
{
    c->sizes = calloc(c->n, sizeof(*c->sizes));
    c->generations = calloc(c->n, sizeof(*c->generations));
    if (c->sizes == NULL || c->generations == NULL)
        return S3_SERVICE_UNAVAILABLE;
    md5_begin(&c->md5s);
    if (c->kind != CHECKSUM_NONE && c->is_composite)
        checksum_begin(&c->composite, c->kind);
    else if (c->kind != CHECKSUM_NONE)
        checksum_join_begin(&c->join, c->kind);
    return S3_OK;
}

void parts_check_deinit(struct parts_check *c)
{
    free(c->sizes);
    free(c->generations);
}

/* --- A part ---------------------------------------------------------------------------------- */

struct part_sum {
    enum checksum_kind kind;
    unsigned char bytes[CHECKSUM_SIZE_MAX];
};

static void read_sum(const struct record *record, struct part_sum *sum)
{
    struct meta_line line;
    unsigned n_parts;

    sum->kind = meta_checksum(record->meta, record->meta_len, &line);
    if (sum->kind != CHECKSUM_NONE &&
        checksum_parse(sum->kind, line.value, line.value_len, sum->bytes, &n_parts) < 0)
        sum->kind = CHECKSUM_NONE;
}

/* Whether the part is the one that the client means. */
static bool is_meant(const struct complete_part *listed, const struct record *record,
                     const struct part_sum *sum)
{
    if (!(record->flags & RECORD_MD5) || !listed->has_md5 ||
        memcmp(listed->md5, record->md5, MD5_SIZE) != 0)
        return false;
    return listed->checksum_kind == CHECKSUM_NONE ||
           (listed->checksum_kind == sum->kind &&
            memcmp(listed->checksum, sum->bytes, checksum_size(sum->kind)) == 0);
}

/* A part that was copied may have no checksum: then the object gets none. */
static void add_sum(struct parts_check *c, const struct part_sum *sum, uint64_t size)
{
    if (c->kind == CHECKSUM_NONE)
        return;
    if (sum->kind != c->kind)
        c->kind = CHECKSUM_NONE;
    else if (c->is_composite)
        checksum_add(&c->composite, sum->bytes, checksum_size(sum->kind));
    else
        checksum_join_add(&c->join, sum->bytes, size);
}

/* The next part of the list, as it was looked up. */
static enum s3_error take(struct parts_check *c, int rc, const struct record *record)
{
    struct part_sum sum;
    unsigned at = c->at++;

    if (rc < 0)
        return rc == UV_ENOENT ? S3_INVALID_PART : S3_SERVICE_UNAVAILABLE;
    read_sum(record, &sum);
    if (!is_meant(&c->listed[at], record, &sum))
        return S3_INVALID_PART;
    if (record->size < PARTS_SIZE_MIN && at + 1 < c->n)
        return S3_ENTITY_TOO_SMALL;
    add_sum(c, &sum, record->size);
    md5_add(&c->md5s, record->md5, MD5_SIZE);
    c->sizes[at] = record->size;
    c->generations[at] = record->generation;
    return __builtin_add_overflow(c->size, record->size, &c->size) ? S3_ENTITY_TOO_LARGE : S3_OK;
}

/* --- All of them ----------------------------------------------------------------------------- */

static void finish_sum(const struct parts_check *c, unsigned char bytes[CHECKSUM_SIZE_MAX])
{
    struct checksum composite = c->composite;

    if (c->is_composite)
        checksum_finish(&composite, bytes);
    else
        checksum_join_finish(&c->join, bytes);
}

static enum s3_error check_wanted(const struct parts_check *c)
{
    unsigned char bytes[CHECKSUM_SIZE_MAX];

    if (c->has_wanted_size && c->wanted_size != c->size)
        return S3_INVALID_REQUEST;
    if (c->wanted_kind == CHECKSUM_NONE)
        return S3_OK;
    if (c->wanted_kind != c->kind)
        return S3_INVALID_REQUEST;
    finish_sum(c, bytes);
    return memcmp(bytes, c->wanted, checksum_size(c->kind)) == 0 ? S3_OK : S3_BAD_DIGEST;
}

static void looked_up_cb(struct store_reading *reading, int rc, const struct record *record);

/* Goes on after a part that was like this. */
static int go_on(struct parts_check *c, enum s3_error error)
{
    struct record record;
    int rc;

    while (error == S3_OK && c->at < c->n) {
        upload_key_of_part(c->object, c->id, c->listed[c->at].number, &c->key);
        rc = objects_look_up(c->objects, &c->reading, &c->key, &record, looked_up_cb);
        if (rc == STORE_LATER)
            return STORE_LATER;
        error = take(c, rc, &record);
        if (c->at % LOOK_PARTS == 0 && uv_hrtime() >= c->until)
            break;
    }
    return (int)(error == S3_OK && c->at == c->n ? check_wanted(c) : error);
}

static void looked_up_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct parts_check *c = reading->data;

    rc = go_on(c, take(c, rc, record));
    if (rc != STORE_LATER)
        c->done(c, (enum s3_error)rc);
}

int parts_check_on(struct parts_check *c, uint64_t ns, parts_checked_cb done)
{
    c->reading.data = c;
    c->done = done;
    c->until = uv_hrtime() + ns;
    return go_on(c, S3_OK);
}

void parts_check_add_meta(struct parts_check *c, struct meta *meta)
{
    unsigned char bytes[CHECKSUM_SIZE_MAX];

    md5_finish(&c->md5s, bytes);
    meta_add_etag(meta, bytes, c->n);
    if (c->kind == CHECKSUM_NONE)
        return;
    finish_sum(c, bytes);
    meta_add_checksum(meta, c->kind, bytes, c->is_composite ? c->n : 0);
}
