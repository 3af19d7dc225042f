/* The walk through a bucket's keys, against a model that knows no order of work: it makes all
 * entries of all keys, and then cuts pages out of them.
 *
 *     MKV_MODEL_SEED      repeats a run; the seed is printed
 *     MKV_MODEL_SECONDS   how long */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "index/base/log.h"
#include "index/base/text.h"
#include "index/s3/bucket_walk.h"
#include "index/s3/buckets.h"
#include "tests/support/late_engine.h"
#include "tests/support/rng.h"
#include "tests/support/storebox.h"

#define KEYS_MAX        600
#define DEFAULT_SECONDS 3 /* on each engine */

struct name {
    char bytes[KEY_MAX];
    size_t len;
    bool is_prefix;
};

struct names {
    struct name list[KEYS_MAX];
    size_t n;
};

struct fixture {
    struct storebox box;
    struct store *store; /* that is walked: the box's, or one that has it all later */
    bool is_late;
    struct rng rng;
    struct names keys;  /* live ones of the bucket, as S3 names them */
    struct names given; /* by the walk */
    struct names wanted;
    int walked;  /* what the last slice said */
    bool breaks; /* the callback takes some */
    int failure; /* of the callback */
};

/* --- Fixture --------------------------------------------------------------------------------- */

static struct fixture *fixture_new(bool is_late)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    storebox_init(&f->box, NULL, &(struct gdbm_engine_options){0});
    assert_int_equal(storebox_open(&f->box), 0);
    f->is_late = is_late;
    f->store = is_late ? late_engine_new(&f->box.loop, f->box.store) : f->box.store;
    return f;
}

static int setup(void **state)
{
    *state = fixture_new(false);
    return 0;
}

static int setup_late(void **state)
{
    *state = fixture_new(true);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    f->box.store = f->store; /* closes both */
    storebox_deinit(&f->box);
    free(f);
    return 0;
}

static void put(struct fixture *f, const void *key, size_t len, unsigned flags)
{
    uint32_t id;
    struct record record = {.flags = flags, .size = 1, .time = 1, .generation = 1, .n_places = 1};

    assert_int_equal(gdbm_engine_volume_id(f->box.store, "larry", &id), 0);
    record.places[0].volume = id;
    assert_int_equal(storebox_put(&f->box, key, len, &record), 0);
}

static void put_text(struct fixture *f, const char *key)
{
    put(f, key, strlen(key), 0);
}

/* --- The walk -------------------------------------------------------------------------------- */

static void add(struct names *names, const char *bytes, size_t len, bool is_prefix)
{
    struct name *name = &names->list[names->n++];

    assert_true(names->n <= KEYS_MAX);
    memcpy(name->bytes, bytes, len);
    name->len = len;
    name->is_prefix = is_prefix;
}

static int entry_cb(const struct bucket_entry *entry, void *arg)
{
    struct fixture *f = arg;

    if (f->failure != 0)
        return f->failure;
    assert_int_equal(entry->record->flags & RECORD_UNLINKED, 0);
    add(&f->given, entry->name, entry->len, entry->is_prefix);
    return f->breaks && rng_one_in(&f->rng, 3);
}

static void walked_cb(struct bucket_walk *w, int rc)
{
    struct fixture *f = w->arg;

    assert_true(f->is_late);
    f->walked = rc;
}

/* A slice. */
static int walk_on(struct fixture *f, struct bucket_walk *w)
{
    f->walked = bucket_walk_on(w, walked_cb);
    while (f->walked == BUCKET_WALK_LATER)
        storebox_turn(&f->box);
    return f->walked;
}

/* A page, in as many slices as it takes. */
static void walk(struct fixture *f, const struct bucket_query *query, struct bucket_walk *w)
{
    int rc;

    f->given.n = 0;
    bucket_walk_init(w, f->store, query, entry_cb, f);
    while ((rc = walk_on(f, w)) == BUCKET_WALK_MORE)
        ;
    assert_int_equal(rc, BUCKET_WALK_END);
}

/* Joined by spaces. */
static const char *given(struct fixture *f)
{
    static char text[4096];
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < f->given.n; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s", i > 0 ? " " : "",
                              (int)f->given.list[i].len, f->given.list[i].bytes);
    return text;
}

/* `query` without its lengths; "..." of a page that is truncated. */
static void expect(struct fixture *f, struct bucket_query query, const char *text)
{
    struct bucket_walk w;
    char page[4096];

    query.bucket_len = query.bucket != NULL ? strlen(query.bucket) : 0;
    query.prefix_len = query.prefix != NULL ? strlen(query.prefix) : 0;
    query.delimiter_len = query.delimiter != NULL ? strlen(query.delimiter) : 0;
    query.after_len = query.after != NULL ? strlen(query.after) : 0;
    walk(f, &query, &w);
    snprintf(page, sizeof(page), "%s%s", given(f), w.is_truncated ? "..." : "");
    assert_string_equal(page, text);
}

/* --- Cases ----------------------------------------------------------------------------------- */

static const struct bucket_query all = {.bucket = "b", .delimiter = "/", .max = 1000};

static struct bucket_query with(const char *prefix, const char *after, uint64_t max)
{
    struct bucket_query query = all;

    query.prefix = prefix;
    query.after = after;
    query.max = max;
    return query;
}

static struct bucket_query passing(struct bucket_query query)
{
    query.passes_prefix = true;
    return query;
}

static void test_bucket_walk_keeps_to_its_bucket(void **state)
{
    struct fixture *f = *state;

    put_text(f, "/a/x");
    put_text(f, "/b");
    put_text(f, "/b!/x");
    put_text(f, "/b/"); /* no object of S3's */
    put_text(f, "/b/x");
    put_text(f, "/b0");
    put_text(f, "/b0/x");
    put_text(f, "/_mkv/s3/bucket/b");
    expect(f, all, "x");
    expect(f, (struct bucket_query){.bucket = "c", .max = 9}, "");
    expect(f, (struct bucket_query){.bucket = "b", .prefix = "y", .max = 9}, "");
    expect(f, (struct bucket_query){.delimiter = "/", .max = 9}, "_mkv/ a/ b b!/ b/ b0 b0/");
}

/* VG#816: a page that has all there is isn't truncated, whatever lies below its last prefix. */
static void test_bucket_walk_is_truncated_only_when_there_is_more(void **state)
{
    struct fixture *f = *state;

    put_text(f, "/b/asdf");
    put_text(f, "/b/boo/bar");
    put_text(f, "/b/boo/baz/xyzzy");
    put_text(f, "/b/cquux/bla");
    put_text(f, "/b/cquux/thud");
    expect(f, passing(with("", "boo/", 1)), "cquux/");
    expect(f, passing(with("", "boo/bar", 1)), "cquux/");
    expect(f, with("", "boo/bar", 1), "boo/...");
    expect(f, with("", "boo/", 9), "cquux/");
    expect(f, with("", "boo/baz/xyzzy", 9), "cquux/");
    expect(f, with("", "", 2), "asdf boo/...");
    expect(f, with("", "", 3), "asdf boo/ cquux/");
    expect(f, with("", "", 0), "");
    expect(f, with("cquux/", "", 1), "cquux/bla...");
    expect(f, with("cquux/", "cquux/bla", 1), "cquux/thud");
    expect(f, with("cquux/", "a", 2), "cquux/bla cquux/thud");
    expect(f, with("boo/", "cquux/", 2), "");
}

static void found_cb(struct bucket_look *look, int rc)
{
    *(int *)look->data = rc;
}

/* Whether there is a bucket of that name. */
static int find(struct fixture *f, const char *name)
{
    int found;
    struct bucket_look look = {.data = &found};

    found = bucket_find(&look, f->store, name, strlen(name), found_cb);
    assert_int_equal(found == STORE_LATER, f->is_late);
    while (found == STORE_LATER)
        storebox_turn(&f->box);
    return found;
}

/* SW#10416. */
static void test_bucket_walk_sees_no_unlinked_keys(void **state)
{
    struct fixture *f = *state;
    char key[32];

    for (unsigned i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "/b/gone/%03u", i);
        put(f, key, strlen(key), RECORD_UNLINKED);
        snprintf(key, sizeof(key), "/b/some/%03u", i);
        put(f, key, strlen(key), i == 50 ? 0 : RECORD_UNLINKED);
    }
    put(f, "/b/x", 4, RECORD_UNLINKED);
    expect(f, all, "some/");
    expect(f, with("", "", 1), "some/");
    expect(f, with("gone/", "", 1), "");
    expect(f, with("some/", "", 1), "some/050");
    assert_int_equal(find(f, "b"), 0);
    assert_int_equal(find(f, "c"), UV_ENOENT);
    put(f, "/d/x", 4, RECORD_UNLINKED);
    assert_int_equal(find(f, "d"), UV_ENOENT);
    put_text(f, "/_mkv/s3/bucket/d");
    assert_int_equal(find(f, "d"), 0);
}

/* SW#10912, MN#20167: `foo` and `foo/bar`. SW#10656: a prefix that ends inside a name. */
static void test_bucket_walk_of_names_that_begin_alike(void **state)
{
    struct fixture *f = *state;

    put_text(f, "/b/foo/bar");
    put_text(f, "/b/foo");
    put_text(f, "/b/foo-1");
    put_text(f, "/b/foo0");
    expect(f, all, "foo foo-1 foo/ foo0");
    expect(f, with("foo", "", 1), "foo...");
    expect(f, with("foo", "foo", 1), "foo-1...");
    expect(f, with("foo", "foo-1", 1), "foo/...");
    expect(f, with("foo", "foo/", 1), "foo0");
    expect(f, with("foo/", "", 1), "foo/bar");
}

static void test_bucket_walk_of_any_delimiter(void **state)
{
    struct fixture *f = *state;
    struct bucket_query query = all;

    put_text(f, "/b/a--b--c");
    put_text(f, "/b/a--d");
    put_text(f, "/b/a-e");
    query.delimiter = "--";
    expect(f, query, "a-- a-e");
    query.prefix = "a-";
    expect(f, query, "a--b-- a--d a-e");
    query.prefix = "a--";
    expect(f, query, "a--b-- a--d");
    query.delimiter = "x";
    expect(f, query, "a--b--c a--d");
}

/* The successor of a common prefix that ends in the greatest bytes. */
static void test_bucket_walk_passes_prefixes_of_greatest_bytes(void **state)
{
    struct fixture *f = *state;
    struct bucket_query query = all;
    char key[32];

    for (unsigned i = 0; i < 40; i++) {
        snprintf(key, sizeof(key), "/b/\377\377%02u", i);
        put_text(f, key);
    }
    put_text(f, "/b/\377a");
    query.delimiter = "\377";
    expect(f, query, "\377");
    query.prefix = "\377";
    expect(f, query, "\377a \377\377");
    query.only_utf8 = true;
    expect(f, query, "");
    put_text(f, "/b0");
    put_text(f, "/b/a\377");
    put_text(f, "/b/a/\377");
    put_text(f, "/b/\303\244/b");
    query.prefix = "";
    query.delimiter = "/";
    expect(f, query, "a/ \303\244/");
}

static void test_bucket_walk_of_the_longest_names(void **state)
{
    struct fixture *f = *state;
    char long_name[BUCKET_WALK_TEXT_MAX + 1];
    char key[KEY_MAX + 1];

    memset(long_name, 'x', BUCKET_WALK_TEXT_MAX);
    long_name[BUCKET_WALK_TEXT_MAX] = '\0';
    memset(key, 'x', KEY_MAX);
    key[KEY_MAX] = '\0';
    memcpy(key, "/b/", 3);
    put(f, key, KEY_MAX, 0);
    expect(f, with(long_name, "", 9), key + 3);
}

/* Keys whose names are followed by a separator and two bytes: "a" by those of "a!" and "a/b". */
static void test_bucket_walk_of_keys_with_tails(void **state)
{
    struct fixture *f = *state;
    struct bucket_query query = {
        .root = "/_x/", .bucket = "b", .tail = 3, .passes_prefix = true, .max = 9};

    put_text(f, "/_x/b/a/b\00101");
    put_text(f, "/_x/b/a!\001/2");
    put_text(f, "/_x/b/a\0013/");
    put_text(f, "/_x/b/a\00104");
    put_text(f, "/_x/b/\00105"); /* no name, */
    put_text(f, "/_x/b/xy");     /* no tail */
    put_text(f, "/_x/c/z\00106");
    expect(f, query, "a\00104 a\0013/ a!\001/2 a/b\00101");
    query.delimiter = "/";
    expect(f, query, "a\00104 a\0013/ a!\001/2 a/");
    query.max = 1;
    query.after = "a\00104";
    query.after_tail = 3;
    expect(f, query, "a\0013/...");
    query.after = "a\002";
    query.after_tail = 1;
    expect(f, query, "a!\001/2...");
    query.after = "a!\002";
    expect(f, query, "a/");
    query.after = "a/\002";
    expect(f, query, "");
    query.after = NULL;
    query.after_tail = 0;
    query.prefix = "a\0010"; /* which is no prefix of a name */
    expect(f, query, "");
}

static void test_bucket_walk_ends_when_its_callback_fails(void **state)
{
    struct fixture *f = *state;
    const struct bucket_query query = {.bucket = "b", .bucket_len = 1, .max = 9};
    struct bucket_walk w;

    put_text(f, "/b/x");
    f->failure = UV_ENOMEM;
    bucket_walk_init(&w, f->store, &query, entry_cb, f);
    assert_int_equal(walk_on(f, &w), UV_ENOMEM);
}

/* What waits is cancelled, and what can't be read is no end. */
static void test_bucket_walk_waits_for_the_store(void **state)
{
    struct fixture *f = *state;
    const struct bucket_query query = {.bucket = "b", .bucket_len = 1, .max = 9};
    struct bucket_walk w;

    put_text(f, "/b/x");
    bucket_walk_init(&w, f->store, &query, entry_cb, f);
    assert_int_equal(bucket_walk_on(&w, walked_cb), BUCKET_WALK_LATER);
    assert_int_equal(late_engine_waiting(f->store), 1);
    bucket_walk_cancel(&w);
    assert_int_equal(late_engine_waiting(f->store), 0);
    late_engine_set_away(f->store, true);
    assert_int_equal(walk_on(f, &w), STORE_AWAY);
    assert_int_equal(find(f, "b"), STORE_AWAY);
    late_engine_set_away(f->store, false);
    assert_int_equal(walk_on(f, &w), BUCKET_WALK_END);
    assert_int_equal(f->given.n, 1);
}

/* --- The model ------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const struct name *x = a;
    const struct name *y = b;

    return storebox_compare(x->bytes, x->len, y->bytes, y->len);
}

static bool is_utf8(const struct name *name)
{
    size_t at = 0;
    size_t n = 1;

    for (; at < name->len && n > 0; at += n)
        n = text_utf8_length((const unsigned char *)name->bytes + at, name->len - at);
    return n > 0;
}

/* What a key is listed as: itself, or a common prefix. */
static struct name entry_of(const struct name *key, const struct bucket_query *q)
{
    struct name entry = *key;

    for (size_t i = q->prefix_len; q->delimiter_len > 0 && i + q->delimiter_len <= key->len; i++) {
        if (memcmp(key->bytes + i, q->delimiter, q->delimiter_len) == 0) {
            entry.len = i + q->delimiter_len;
            entry.is_prefix = true;
            break;
        }
    }
    return entry;
}

static bool is_wanted(const struct name *key, const struct name *entry,
                      const struct bucket_query *q)
{
    const struct name *compared = q->passes_prefix ? entry : key;

    if (key->len < q->prefix_len || memcmp(key->bytes, q->prefix, q->prefix_len) != 0)
        return false;
    if (q->after_len > 0 &&
        storebox_compare(compared->bytes, compared->len, q->after, q->after_len) <= 0)
        return false;
    if (entry->is_prefix && entry->len == q->after_len &&
        memcmp(entry->bytes, q->after, q->after_len) == 0)
        return false;
    return !q->only_utf8 || is_utf8(entry);
}

/* All entries that the walk is to give, on one page or many. */
static void model(struct fixture *f, const struct bucket_query *q)
{
    f->wanted.n = 0;
    for (size_t i = 0; i < f->keys.n; i++) {
        struct name entry = entry_of(&f->keys.list[i], q);

        if (is_wanted(&f->keys.list[i], &entry, q) &&
            (f->wanted.n == 0 || compare(&f->wanted.list[f->wanted.n - 1], &entry) != 0))
            add(&f->wanted, entry.bytes, entry.len, entry.is_prefix);
    }
}

static void expect_wanted(const struct fixture *f, size_t first, size_t n)
{
    assert_int_equal(f->given.n, n);
    for (size_t i = 0; i < n; i++) {
        const struct name *given_name = &f->given.list[i];
        const struct name *wanted = &f->wanted.list[first + i];

        if (compare(given_name, wanted) != 0 || given_name->is_prefix != wanted->is_prefix)
            fail_msg("entry %zu is %.*s instead of %.*s", i, (int)given_name->len,
                     given_name->bytes, (int)wanted->len, wanted->bytes);
    }
}

/* Page after page, each after the last entry of the one before. */
static void check_pages(struct fixture *f, struct bucket_query q)
{
    struct bucket_walk w;
    char after[BUCKET_WALK_TEXT_MAX];
    size_t listed = 0;

    model(f, &q);
    do {
        size_t n = f->wanted.n - listed < q.max ? f->wanted.n - listed : q.max;
        const char *last;

        walk(f, &q, &w);
        expect_wanted(f, listed, n);
        listed += n;
        assert_int_equal(w.is_truncated, listed < f->wanted.n);
        last = bucket_walk_last(&w, &q.after_len);
        memcpy(after, last, q.after_len);
        q.after = after;
    } while (w.is_truncated);
}

static size_t random_text(struct fixture *f, char *text, size_t max)
{
    static const char *const few[] = {"/",    "/",        "a",    "b", "-",
                                      "\377", "\303\244", "\303", "%", "\1"};
    size_t n = 0;
    size_t len = rng_below(&f->rng, max + 1);

    while (n < len) {
        const char *next = few[rng_below(&f->rng, COUNT_OF(few))];

        memcpy(text + n, next, strlen(next));
        n += strlen(next);
    }
    return n;
}

/* Often that of a key, or the start of one. */
static size_t random_start(struct fixture *f, char *text)
{
    const struct name *key = &f->keys.list[rng_below(&f->rng, f->keys.n)];
    size_t n;

    if (rng_one_in(&f->rng, 3))
        return random_text(f, text, 4);
    n = rng_below(&f->rng, key->len + 1);
    memcpy(text, key->bytes, n);
    if (rng_one_in(&f->rng, 4))
        n += random_text(f, text + n, 2);
    return n;
}

static void check_random_query(struct fixture *f)
{
    char prefix[64];
    char after[64];
    char delimiter[8];
    struct bucket_query q = {.bucket = "b",
                             .bucket_len = 1,
                             .prefix = prefix,
                             .delimiter = delimiter,
                             .after = after,
                             .passes_prefix = rng_one_in(&f->rng, 2),
                             .only_utf8 = rng_one_in(&f->rng, 3),
                             .want = rng_below(&f->rng, 20),
                             .max = 1 + rng_below(&f->rng, rng_one_in(&f->rng, 2) ? 4 : 400)};

    q.prefix_len = rng_one_in(&f->rng, 2) ? random_start(f, prefix) : 0;
    q.after_len = rng_one_in(&f->rng, 2) ? random_start(f, after) : 0;
    q.delimiter_len = random_text(f, delimiter, 2);
    f->breaks = rng_one_in(&f->rng, 2);
    check_pages(f, q);
}

/* Some thousand keys of few letters, most of them long since in the table, one in four unlinked. */
static void fill(struct fixture *f)
{
    struct name key;
    char bytes[64] = "/b/";
    unsigned n = 1 + rng_below(&f->rng, KEYS_MAX - 1);

    f->keys.n = 0;
    while (n-- > 0) {
        bool unlinked = rng_one_in(&f->rng, 4);
        struct name *found;

        key.len = 1 + random_text(f, key.bytes + 1, rng_one_in(&f->rng, 4) ? 20 : 6);
        key.bytes[0] = "ab/"[rng_below(&f->rng, 3)];
        found = bsearch(&key, f->keys.list, f->keys.n, sizeof(key), compare);
        if (found != NULL)
            continue;
        memcpy(bytes + 3, key.bytes, key.len);
        put(f, bytes, key.len + 3, unlinked ? RECORD_UNLINKED : 0);
        if (rng_one_in(&f->rng, 200))
            storebox_checkpoint(&f->box);
        if (!unlinked)
            add(&f->keys, key.bytes, key.len, false);
        qsort(f->keys.list, f->keys.n, sizeof(key), compare);
    }
    if (f->keys.n == 0) {
        put_text(f, "/b/a");
        add(&f->keys, "a", 1, false);
    }
}

static void test_bucket_walk_gives_what_the_model_says(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = rng_seed("MKV_MODEL_SEED");
    const char *text = getenv("MKV_MODEL_SECONDS");
    time_t end = time(NULL) + (text != NULL ? atoi(text) : DEFAULT_SECONDS);
    unsigned long n = 0;

    print_message("MKV_MODEL_SEED=%llu\n", (unsigned long long)seed);
    f->rng.state = seed;
    do {
        bool is_late = f->is_late;

        teardown((void **)&f);
        f = fixture_new(is_late);
        f->rng.state = seed++;
        fill(f);
        for (unsigned i = 0; i < 300; i++, n++)
            check_random_query(f);
    } while (time(NULL) < end);
    print_message("%lu queries\n", n);
    *state = f;
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_bucket_walk_##name, setup, teardown)
#define LATE(name) cmocka_unit_test_setup_teardown(test_bucket_walk_##name, setup_late, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keeps_to_its_bucket),
        TEST(is_truncated_only_when_there_is_more),
        TEST(sees_no_unlinked_keys),
        TEST(of_names_that_begin_alike),
        TEST(of_any_delimiter),
        TEST(passes_prefixes_of_greatest_bytes),
        TEST(of_the_longest_names),
        TEST(of_keys_with_tails),
        TEST(ends_when_its_callback_fails),
        TEST(gives_what_the_model_says),
    };
    const struct CMUnitTest late_tests[] = {
        LATE(keeps_to_its_bucket),
        LATE(is_truncated_only_when_there_is_more),
        LATE(sees_no_unlinked_keys),
        LATE(of_names_that_begin_alike),
        LATE(of_any_delimiter),
        LATE(passes_prefixes_of_greatest_bytes),
        LATE(of_the_longest_names),
        LATE(of_keys_with_tails),
        LATE(ends_when_its_callback_fails),
        LATE(gives_what_the_model_says),
        LATE(waits_for_the_store),
    };
    int failed = cmocka_run_group_tests_name("at once", tests, NULL, NULL);

    return failed + cmocka_run_group_tests_name("later", late_tests, NULL, NULL);
}
