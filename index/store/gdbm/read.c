/* Gets and listings: internal keys, in their order, are those of users after a byte that says what
 * they are (ops.h), and orphans' end with the generation. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/store/gdbm/internal.h"
#include "index/store/key_order.h"

/* --- Reading --------------------------------------------------------------------------------- */

size_t engine_internal_key(const void *key, size_t len, unsigned char *out)
{
    assert(len <= STORE_KEY_MAX);
    out[0] = OP_KEY;
    if (len > 0) /* else the key may be NULL */
        memcpy(out + 1, key, len);
    return len + 1;
}

/* Big-endian, so that the bytes are in the order of the numbers. */
size_t engine_orphan_key(const void *key, size_t len, uint64_t generation, unsigned char *out)
{
    size_t n = engine_internal_key(key, len, out);

    out[0] = OP_ORPHAN;
    out[n++] = '\0';
    for (int shift = 56; shift >= 0; shift -= 8)
        out[n++] = (unsigned char)(generation >> shift);
    return n;
}

uint64_t engine_orphan_generation(const unsigned char *key, size_t len)
{
    uint64_t generation = 0;

    for (size_t i = len - sizeof(generation); i < len; i++)
        generation = generation << 8 | key[i];
    return generation;
}

/* --- One key --------------------------------------------------------------------------------- */

static int table_lookup(struct gdbm_engine *s, const unsigned char *key, size_t len,
                        unsigned char *value, size_t *value_len)
{
    const unsigned char *found;
    unsigned char *page;
    uint32_t number;
    size_t n;
    int rc;

    if (s->fences.count == 0)
        return UV_ENOENT;
    number = s->fences.list[fences_find(&s->fences, key, len)].number;
    rc = table_read(s->table, number, &page);
    if (rc < 0)
        return rc;
    rc = page_find(page, key, len, &found, &n);
    if (rc == 0) {
        memcpy(value, found, n);
        *value_len = n;
    } else if (rc == UV_ENOENT && !page_is_intact(page, number)) {
        rc = UV_EILSEQ; /* a key that is found has a checksum of its own; one that isn't has none */
    }
    free(page);
    return rc == UV_EILSEQ ? table_damaged(s->table, number) : rc;
}

int engine_lookup(struct gdbm_engine *s, const unsigned char *key, size_t len, unsigned char *value,
                  size_t *value_len)
{
    struct memtable_entry entry;

    if (!memtable_get(s->active, key, len, &entry) &&
        (s->frozen == NULL || !memtable_get(s->frozen, key, len, &entry)))
        return table_lookup(s, key, len, value, value_len);
    if (entry.value == NULL)
        return UV_ENOENT;
    memcpy(value, entry.value, entry.value_len);
    *value_len = entry.value_len;
    return 0;
}

/* `rc` is that of the decoder. */
static int decoded(int rc, const char *what, const void *key, size_t len)
{
    if (rc == 0)
        return 0;
    log_limited(LOG_LEVEL_ERROR, "the index holds %s %s: key \"%.*s\"", what,
                rc == -ENOTSUP ? "of a newer mkv" : "that is damaged", (int)len, (const char *)key);
    return UV_EIO;
}

static int decode(const unsigned char *key, size_t len, const unsigned char *value,
                  size_t value_len, struct record *record)
{
    return decoded(record_decode(value, value_len, record), "a record", key + 1, len - 1);
}

static int decode_orphan(const unsigned char *key, size_t len, const unsigned char *value,
                         size_t value_len, struct orphan *orphan)
{
    if (len <= 1 + ORPHAN_SUFFIX)
        return decoded(-EBADMSG, "an orphan", key + 1, len - 1);
    return decoded(orphan_decode(value, value_len, orphan), "an orphan", key + 1,
                   len - 1 - ORPHAN_SUFFIX);
}

/* The value of an internal key, which has room for more; any failure is UV_EIO. */
static int find(struct gdbm_engine *s, unsigned char *key, size_t len,
                unsigned char value[SPLIT_ROOM], size_t *value_len)
{
    int rc = split_read(s, engine_lookup, key, len, value, value_len);

    return rc == 0 || rc == UV_ENOENT ? rc : UV_EIO;
}

int gdbm_engine_get(struct store *store, const void *key, size_t len, struct record *record)
{
    struct gdbm_engine *s = engine_of(store);
    unsigned char internal[INTERNAL_KEY_MAX];
    unsigned char value[SPLIT_ROOM];
    size_t value_len = 0;
    int rc;

    len = engine_internal_key(key, len, internal);
    rc = find(s, internal, len, value, &value_len);
    return rc == 0 ? decode(internal, len, value, value_len, record) : rc;
}

int gdbm_engine_get_orphan(struct store *store, const void *key, size_t len, uint64_t generation,
                           struct orphan *orphan)
{
    struct gdbm_engine *s = engine_of(store);
    unsigned char internal[INTERNAL_KEY_MAX];
    unsigned char value[SPLIT_ROOM];
    size_t value_len = 0;
    int rc;

    len = engine_orphan_key(key, len, generation, internal);
    rc = find(s, internal, len, value, &value_len);
    return rc == 0 ? decode_orphan(internal, len, value, value_len, orphan) : rc;
}

/* What a listing returns: what its callback did, unless the walk failed. */
static int listed(int walk_rc, int cb_rc)
{
    int rc = walk_rc >= 0 ? cb_rc : walk_rc;

    return rc == UV_EILSEQ ? UV_EIO : rc;
}

/* --- Records --------------------------------------------------------------------------------- */

/* A record whose pieces are being met. */
struct halved {
    unsigned char key[INTERNAL_KEY_MAX];
    unsigned char value[SPLIT_ROOM];
    size_t key_len;
    size_t value_len;
    size_t entries; /* met; 0: no record is being met */
};

struct list {
    const unsigned char *prefix; /* internal */
    size_t prefix_len;
    store_list_cb cb;
    void *arg;
    int rc;
    bool begun; /* a record was met; before that come pieces where `start` lies between those */
    struct halved *halved;
};

static int give(struct list *list, const unsigned char *key, size_t len, const unsigned char *value,
                size_t value_len)
{
    struct record record;

    list->rc = decode(key, len, value, value_len, &record);
    if (list->rc == 0)
        list->rc = list->cb(key + 1, len - 1, &record, list->arg);
    return list->rc != 0;
}

/* The first entry of a record that has more. */
static void begin_record(struct halved *h, const unsigned char *key, size_t len,
                         const unsigned char *value)
{
    memcpy(h->key, key, len);
    memcpy(h->value, value, PAGE_VALUE_MAX);
    h->key_len = len;
    h->value_len = PAGE_VALUE_MAX;
    h->entries = 1;
}

/* An entry while more of a record is to come, or a piece while none is. */
static int add_piece(struct list *list, const unsigned char *key, size_t len,
                     const unsigned char *value, size_t value_len)
{
    struct halved *h = list->halved;

    if (!list->begun)
        return 0;
    if (h->entries == 0 || h->entries == SPLIT_ENTRIES_MAX ||
        !split_is_piece_of(key, len, h->key, h->key_len, h->entries)) {
        list->rc = split_damaged(h->entries > 0 ? h->key : key, h->entries > 0 ? h->key_len : len);
        return 1;
    }
    memcpy(h->value + h->value_len, value, value_len);
    h->value_len += value_len;
    h->entries++;
    if (value_len == PAGE_VALUE_MAX)
        return 0;
    h->entries = 0;
    return give(list, h->key, h->key_len, h->value, h->value_len);
}

static int list_cb(const unsigned char *key, size_t len, const unsigned char *value,
                   size_t value_len, void *arg)
{
    struct list *list = arg;

    if (list->halved->entries > 0 || split_is_piece(key, len))
        return add_piece(list, key, len, value, value_len);
    if (len < list->prefix_len || memcmp(key, list->prefix, list->prefix_len) != 0)
        return 1;
    list->begun = true;
    if (value_len < PAGE_VALUE_MAX)
        return give(list, key, len, value, value_len);
    begin_record(list->halved, key, len, value);
    return 0;
}

int gdbm_engine_list(struct store *store, const void *prefix, size_t prefix_len, const void *start,
                     size_t start_len, store_list_cb cb, void *arg)
{
    struct gdbm_engine *s = engine_of(store);
    unsigned char from[INTERNAL_KEY_MAX];
    unsigned char internal[INTERNAL_KEY_MAX];
    struct halved halved;
    struct list list = {.prefix = internal, .cb = cb, .arg = arg, .halved = &halved};
    size_t from_len;
    int rc;

    if (prefix_len > STORE_KEY_MAX)
        return 0;
    if (start_len > STORE_KEY_MAX) /* no key equals it: the first that is over it is */
        start_len = STORE_KEY_MAX;
    list.prefix_len = engine_internal_key(prefix, prefix_len, internal);
    if (key_compare(start, start_len, prefix, prefix_len) > 0)
        from_len = engine_internal_key(start, start_len, from);
    else
        from_len = engine_internal_key(prefix, prefix_len, from);
    halved.entries = 0;
    rc = engine_walk(s, from, from_len, list_cb, &list);
    if (rc == 0 && halved.entries > 0)
        rc = split_damaged(halved.key, halved.key_len);
    return listed(rc, list.rc);
}

/* --- Orphans --------------------------------------------------------------------------------- */

struct orphan_list {
    const void *only; /* the key, or NULL for any */
    size_t len;
    store_orphan_cb cb;
    void *arg;
    int rc;
};

static int orphan_list_cb(const unsigned char *key, size_t len, const unsigned char *value,
                          size_t value_len, void *arg)
{
    struct orphan_list *list = arg;
    struct orphan orphan;
    size_t key_len = len - 1 - ORPHAN_SUFFIX;

    if (key[0] != OP_ORPHAN)
        return 1;
    list->rc = decode_orphan(key, len, value, value_len, &orphan);
    if (list->rc == 0 && list->only != NULL &&
        (key_len != list->len || memcmp(key + 1, list->only, list->len) != 0))
        return 1;
    if (list->rc == 0)
        list->rc =
            list->cb(key + 1, key_len, engine_orphan_generation(key, len), &orphan, list->arg);
    return list->rc != 0;
}

int gdbm_engine_list_orphans(struct store *store, const void *key, size_t len, uint64_t generation,
                             bool only, store_orphan_cb cb, void *arg)
{
    struct gdbm_engine *s = engine_of(store);
    unsigned char from[INTERNAL_KEY_MAX];
    struct orphan_list list = {.only = only ? key : NULL, .len = len, .cb = cb, .arg = arg};
    int rc;

    rc = engine_walk(s, from, engine_orphan_key(key, len, generation, from), orphan_list_cb, &list);
    return listed(rc, list.rc);
}
