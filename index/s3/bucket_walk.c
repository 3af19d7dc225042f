#include "index/s3/bucket_walk.h"

#include <assert.h>
#include <string.h>

#include "index/base/text.h"

#define SLICE_NS    1000000 /* that a slice takes, more or less */
#define LOOK_KEYS   16      /* between looks at the clock */
#define STEPS_MAX   16      /* over keys of a common prefix, before its successor is looked up */
#define WANT_GROUPS (STEPS_MAX + 2) /* keys to fetch where common prefixes are passed */

enum { GO_ON, BREAK, SEEK }; /* for store_list() */

static bool begins_with(const void *text, size_t len, const struct key *start)
{
    return len >= start->len && memcmp(text, start->bytes, start->len) == 0;
}

/* Where the common prefix ends that a key without its tail, which begins with the prefix, belongs
 * to; 0: to none. */
static size_t group_end(const struct bucket_walk *w, const char *key, size_t len)
{
    const char *found;

    if (w->delimiter_len == 0)
        return 0;
    found = memmem(key + w->prefix.len, len - w->prefix.len, w->delimiter, w->delimiter_len);
    return found != NULL ? (size_t)(found - key) + w->delimiter_len : 0;
}

/* Goes on at the least key that is over all that begin with these bytes. */
static void pass_group(struct bucket_walk *w, const char *group, size_t len)
{
    while ((unsigned char)group[len - 1] == 0xff) /* the slash in front isn't */
        len--;
    memmove(w->next.bytes, group, len);
    w->next.bytes[len - 1] = (char)((unsigned char)group[len - 1] + 1);
    w->next.len = len;
    w->is_past_next = false;
}

/* --- Entries --------------------------------------------------------------------------------- */

/* What the first `len` bytes of a key are given as. */
static int give(struct bucket_walk *w, const char *key, size_t len, bool is_prefix,
                const struct record *record)
{
    const struct bucket_entry entry = {
        .name = key + w->root, .len = len - w->root, .is_prefix = is_prefix, .record = record};
    int rc;

    if (w->left == 0) {
        w->is_truncated = w->at_end = true;
        return BREAK;
    }
    w->left--;
    memcpy(w->last.bytes, key, len);
    w->last.len = len;
    w->last_is_prefix = is_prefix;
    w->steps = 0;
    rc = w->entry(&entry, w->arg);
    w->rc = rc < 0 ? rc : 0;
    w->is_full = rc == 1;
    return rc < 0 ? BREAK : GO_ON;
}

/* A key of the common prefix that was given last. */
static int step_over(struct bucket_walk *w)
{
    if (++w->steps <= STEPS_MAX)
        return GO_ON;
    pass_group(w, w->last.bytes, w->last.len);
    return SEEK;
}

static int take(struct bucket_walk *w, const char *key, size_t len, const struct record *record)
{
    size_t group = group_end(w, key, len - w->tail);
    size_t n = group > 0 ? group : len;

    if (!w->only_utf8 || text_is_utf8(key + w->root, n - w->root))
        return give(w, key, n, group > 0, record);
    if (group == 0)
        return GO_ON;
    pass_group(w, key, group);
    return SEEK;
}

/* Whether the slice has come to its end: then it goes on here. */
static bool is_slice_over(struct bucket_walk *w, const void *key, size_t len)
{
    if (!w->is_full && (++w->looked_at % LOOK_KEYS != 0 || uv_hrtime() < w->slice_until))
        return false;
    memcpy(w->next.bytes, key, len);
    w->next.len = len;
    w->is_past_next = false;
    return true;
}

static int key_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct bucket_walk *w = arg;
    bool is_past_next = w->is_past_next;

    if (w->is_late) {
        w->is_late = false;
        w->slice_until = uv_hrtime() + SLICE_NS;
    }
    w->is_past_next = false;
    if (is_past_next && len == w->next.len && memcmp(key, w->next.bytes, len) == 0)
        return GO_ON;
    if (is_slice_over(w, key, len))
        return BREAK;
    if (w->last_is_prefix && begins_with(key, len, &w->last))
        return step_over(w);
    if ((record->flags & RECORD_UNLINKED) != 0 || len <= w->root + w->tail ||
        len < w->prefix.len + w->tail)
        return GO_ON;
    return take(w, key, len, record);
}

/* Of a fetched page no more is wanted than the callback will take. */
static size_t want(const struct bucket_walk *w)
{
    size_t n = w->delimiter_len > 0 ? WANT_GROUPS : w->want;

    return n == 0 || w->left >= n ? n : (size_t)w->left + 1;
}

static void listed_cb(struct store_reading *reading, int rc);

static int list(struct bucket_walk *w)
{
    const struct store_range range = {.prefix = w->prefix.bytes,
                                      .prefix_len = w->prefix.len,
                                      .start = w->next.bytes,
                                      .start_len = w->next.len,
                                      .want = want(w)};
    int rc = store_list(w->store, &w->reading, &range, key_cb, w, listed_cb);

    w->is_late = rc == STORE_LATER;
    return rc;
}

/* Goes on until the slice is over, which it began with this result of a list. */
static int walk(struct bucket_walk *w, int rc)
{
    while (rc == SEEK && !w->at_end)
        rc = list(w);
    if (rc == STORE_LATER)
        return BUCKET_WALK_LATER;
    if (rc < 0 || w->rc < 0)
        return rc < 0 ? rc : w->rc;
    w->at_end |= rc == 0;
    return w->at_end ? BUCKET_WALK_END : BUCKET_WALK_MORE;
}

static void listed_cb(struct store_reading *reading, int rc)
{
    struct bucket_walk *w = reading->data;

    rc = walk(w, rc);
    if (rc != BUCKET_WALK_LATER)
        w->done(w, rc);
}

int bucket_walk_on(struct bucket_walk *w, bucket_walked_cb done)
{
    w->done = done;
    w->reading.data = w;
    w->is_full = false;
    w->slice_until = uv_hrtime() + SLICE_NS;
    return walk(w, SEEK);
}

const char *bucket_walk_last(const struct bucket_walk *w, size_t *len)
{
    *len = w->last.len > 0 ? w->last.len - w->root : 0;
    return w->last.bytes + w->root;
}

/* --- The start ------------------------------------------------------------------------------- */

/* Adds bytes, which may be none at NULL; what is over the length of a key is cut off. */
static void append(struct key *key, const char *bytes, size_t len)
{
    if (len > KEY_MAX - key->len)
        len = KEY_MAX - key->len;
    if (len > 0)
        memcpy(key->bytes + key->len, bytes, len);
    key->len += len;
}

static void begin_after(struct bucket_walk *w, const struct bucket_query *query)
{
    size_t name_len = w->root + query->after_len - query->after_tail;
    size_t group = 0;

    append(&w->next, w->prefix.bytes, w->root);
    append(&w->next, query->after, query->after_len);
    w->is_past_next = true;
    if (name_len > w->next.len)
        name_len = w->next.len;
    if (begins_with(w->next.bytes, name_len, &w->prefix))
        group = group_end(w, w->next.bytes, name_len);
    if (group > 0 && (query->passes_prefix || group == name_len))
        pass_group(w, w->next.bytes, group);
}

void bucket_walk_init(struct bucket_walk *w, struct store *store, const struct bucket_query *query,
                      bucket_entry_cb entry, void *arg)
{
    const char *root = query->root != NULL ? query->root : "/";

    assert(query->prefix_len <= BUCKET_WALK_TEXT_MAX && query->after_tail <= query->after_len &&
           query->after_len - query->after_tail <= BUCKET_WALK_TEXT_MAX &&
           query->delimiter_len <= BUCKET_WALK_TEXT_MAX);
    *w = (struct bucket_walk){.store = store,
                              .entry = entry,
                              .arg = arg,
                              .tail = query->tail,
                              .only_utf8 = query->only_utf8,
                              .left = query->max,
                              .want = query->want,
                              .at_end = query->max == 0};
    append(&w->prefix, root, strlen(root));
    if (query->bucket != NULL) {
        append(&w->prefix, query->bucket, query->bucket_len);
        append(&w->prefix, "/", 1);
    }
    w->root = w->prefix.len;
    w->at_end |= query->prefix_len > KEY_MAX - w->root;
    append(&w->prefix, query->prefix, query->prefix_len);
    if (query->delimiter_len > 0)
        memcpy(w->delimiter, query->delimiter, query->delimiter_len);
    w->delimiter_len = query->delimiter_len;
    if (query->after_len > 0)
        begin_after(w, query);
}
