/* The contract of an engine (index/store/store.h): what is read, one by one and in order, and the
 * names of volumes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/contract.h"

#define MANY 47 /* entries of a listing, of several pages */

/* --- One key --------------------------------------------------------------------------------- */

static void test_get_of_a_missing_key(void **state)
{
    contract_assert_has(*state, "/a", NULL);
    contract_assert_has_orphan(*state, "/a", 1, NULL);
}

static void test_get_has_every_field(void **state)
{
    struct contract *c = *state;
    struct record record = contract_record(c, 1);

    record.flags = RECORD_MD5 | RECORD_UNLINKED;
    record.size = (1ULL << 62) + 1;
    record.time = 1ULL << 47;
    record.placed_by = UINT32_MAX;
    memset(record.md5, 0xf0, sizeof(record.md5));
    record.n_places = PLACES_MAX;
    for (unsigned i = 0; i < PLACES_MAX; i++)
        record.places[i] = (struct place){.volume = c->volumes[i % CONTRACT_VOLUMES],
                                          .has_subvolume = i % 2 > 0,
                                          .subvolume = i % 2 > 0 ? 255 - i : 0};
    record.meta_len = RECORD_META_MAX;
    for (unsigned i = 0; i < RECORD_META_MAX; i++)
        record.meta[i] = (char)i;
    contract_put(c, "/a", &record);
    contract_assert_has(c, "/a", &record);
    engine_box_reopen(&c->box);
    contract_assert_has(c, "/a", &record);
}

static void test_get_orphan_has_every_field(void **state)
{
    struct contract *c = *state;
    struct orphan orphan = {.until = 1ULL << 61, .time = 3, .n_places = ORPHAN_PLACES_MAX};

    for (unsigned i = 0; i < ORPHAN_PLACES_MAX; i++)
        orphan.places[i] = (struct place){
            .volume = c->volumes[i % CONTRACT_VOLUMES], .has_subvolume = true, .subvolume = i};
    contract_put_orphan(c, "/a", INT64_MAX, &orphan);
    contract_assert_has_orphan(c, "/a", INT64_MAX, &orphan);
    contract_assert_has_orphan(c, "/a", INT64_MAX - 1, NULL);
    contract_assert_has(c, "/a", NULL);
    engine_box_reopen(&c->box);
    contract_assert_has_orphan(c, "/a", INT64_MAX, &orphan);
}

/* Keys of all bytes but NUL, one of a byte and one of 1,024, which differ in their last. */
static void test_get_of_any_key(void **state)
{
    struct contract *c = *state;
    const struct record record = contract_record(c, 1);
    const struct record other = contract_record(c, 2);
    char key[STORE_KEY_MAX + 1] = "";

    for (unsigned i = 0; i < STORE_KEY_MAX; i++)
        key[i] = (char)(1 + i % 255);
    contract_put(c, key, &record);
    key[STORE_KEY_MAX - 1]++;
    contract_put(c, key, &other);
    contract_put(c, "\xff", &other);
    contract_put(c, "'; -- \\\"%", &record);
    contract_assert_has(c, key, &other);
    key[STORE_KEY_MAX - 1]--;
    contract_assert_has(c, key, &record);
    contract_assert_has(c, "\xff", &other);
    contract_assert_has(c, "\xfe", NULL);
    contract_assert_has(c, "'; -- \\\"%", &record);
}

/* --- Several at once ------------------------------------------------------------------------- */

struct asked {
    struct store_reading reading;
    bool done;
    int rc;
    uint64_t generation;
    uint32_t id;
};

static void asked_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct asked *asked = reading->data;

    assert_false(asked->done);
    asked->done = true;
    asked->rc = rc;
    asked->generation = record != NULL ? record->generation : 0;
}

static void ask(struct contract *c, struct asked *asked, const char *key)
{
    struct record record;

    *asked = (struct asked){.reading = {.data = asked}};
    asked->rc = store_get(c->box.store, &asked->reading, key, strlen(key), &record, asked_cb);
    asked->done = asked->rc != STORE_LATER;
    asked->generation = asked->rc == 0 ? record.generation : 0;
}

static void test_gets_of_one_turn_have_each_its_own(void **state)
{
    struct contract *c = *state;
    const struct record records[] = {contract_record(c, 1), contract_record(c, 2)};
    static struct asked asked[600];

    contract_put(c, "/a", &records[0]);
    contract_put(c, "/b", &records[1]);
    for (unsigned i = 0; i < COUNT_OF(asked); i++)
        ask(c, &asked[i], (const char *[]){"/a", "/b", "/missing"}[i % 3]);
    for (unsigned i = 0; i < COUNT_OF(asked); i++) {
        while (!asked[i].done)
            engine_box_turn(&c->box);
        assert_int_equal(asked[i].rc, i % 3 == 2 ? UV_ENOENT : 0);
        if (i % 3 < 2)
            assert_int_equal(asked[i].generation, records[i % 3].generation);
    }
}

static void test_get_that_is_cancelled(void **state)
{
    struct contract *c = *state;
    const struct record record = contract_record(c, 1);
    struct asked asked[3];

    contract_put(c, "/a", &record);
    for (unsigned i = 0; i < 3; i++)
        ask(c, &asked[i], "/a");
    for (unsigned i = 0; i < 3; i += 2) {
        store_cancel(c->box.store, &asked[i].reading);
        assert_null(asked[i].reading.request);
    }
    while (!asked[1].done)
        engine_box_turn(&c->box);
    contract_assert_has(c, "/a", &record);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(asked[i].done == (i == 1 || c->box.store->is_prompt));
        store_cancel(c->box.store, &asked[i].reading); /* does nothing */
    }
}

/* --- Views ----------------------------------------------------------------------------------- */

static void assert_view(struct contract *c, const char *key, const struct record *record,
                        unsigned until, uint64_t latest)
{
    struct store_view view;

    assert_int_equal(engine_box_view(&c->box, key, strlen(key), &view), 0);
    assert_int_equal(view.exists, record != NULL);
    assert_true(record == NULL || record_equal(&view.record, record));
    assert_int_equal(view.orphan.n_places > 0, until > 0);
    if (until > 0)
        assert_int_equal(view.orphan.until, until);
    assert_int_equal(view.latest, latest);
}

static void put_timed_orphan(struct contract *c, const char *key, uint64_t generation,
                             unsigned until, uint64_t time)
{
    struct orphan orphan = contract_orphan(c, 1);

    orphan.until = until;
    orphan.time = time;
    contract_put_orphan(c, key, generation, &orphan);
}

static void test_view_of_a_key_without_a_record(void **state)
{
    struct contract *c = *state;

    assert_view(c, "/a", NULL, 0, 0);
    put_timed_orphan(c, "/a", 1, 1, 5000);
    put_timed_orphan(c, "/a", 2, 2, 4000);
    put_timed_orphan(c, "/ab", 1, 3, 9000);
    put_timed_orphan(c, "/", 1, 4, 9000);
    assert_view(c, "/a", NULL, 0, 5000);
}

/* Of the key's orphans, those count that are of the record's generation or of a later one, and
 * whose times can be. */
static void test_view_of_a_key_with_a_record(void **state)
{
    struct contract *c = *state;
    const struct record record = contract_record(c, 1);

    contract_put(c, "/a", &record);
    assert_view(c, "/a", &record, 0, 0);
    put_timed_orphan(c, "/a", record.generation - 1, 1, 9000);
    assert_view(c, "/a", &record, 0, 0);
    put_timed_orphan(c, "/a", record.generation + 1, 2, 0); /* that of its generation */
    assert_view(c, "/a", &record, 0, record.generation >> 16);
    put_timed_orphan(c, "/a", record.generation, 3, 2000);
    put_timed_orphan(c, "/a", record.generation + 2, 4, UINT64_MAX / 2); /* no time */
    assert_view(c, "/a", &record, 3, 2000);
}

/* --- Listings -------------------------------------------------------------------------------- */

struct listing {
    struct contract *c;
    struct store_reading reading;
    char seen[4096]; /* the keys, with a space after each */
    unsigned n;
    unsigned stop_after; /* entries; 0: never */
    bool cancels;        /* instead of that */
    bool done;
};

#define STOPPED 42

static int seen(struct listing *listing, const char *text)
{
    size_t len = strlen(listing->seen);

    assert_false(listing->done);
    snprintf(listing->seen + len, sizeof(listing->seen) - len, "%s ", text);
    if (++listing->n != listing->stop_after)
        return 0;
    if (listing->cancels)
        store_cancel(listing->c->box.store, &listing->reading);
    return STOPPED;
}

static int key_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    char text[STORE_KEY_MAX + 32];

    assert_in_range(record->n_places, 1, CONTRACT_VOLUMES);
    assert_non_null(store_volume_name(((struct listing *)arg)->c->box.store,
                                      record->places[record->n_places - 1].volume));
    snprintf(text, sizeof(text), "%.*s:%u", (int)len, (const char *)key, (unsigned)record->size);
    return seen(arg, text);
}

static int orphan_cb(const void *key, size_t len, uint64_t generation, const struct orphan *orphan,
                     void *arg)
{
    char text[STORE_KEY_MAX + 64];

    assert_in_range(orphan->n_places, 1, CONTRACT_VOLUMES);
    snprintf(text, sizeof(text), "%.*s.%llu:%u", (int)len, (const char *)key,
             (unsigned long long)generation, (unsigned)orphan->until);
    return seen(arg, text);
}

static void assert_list(struct contract *c, const char *prefix, const char *start, size_t want,
                        unsigned stop_after, const char *wanted)
{
    struct listing listing = {.c = c, .stop_after = stop_after};
    const struct store_range range = {.prefix = prefix,
                                      .prefix_len = strlen(prefix),
                                      .start = start,
                                      .start_len = strlen(start),
                                      .want = want};
    int rc = engine_box_list(&c->box, &range, key_cb, &listing);

    assert_string_equal(listing.seen, wanted);
    assert_int_equal(rc, listing.n == stop_after && stop_after > 0 ? STOPPED : 0);
}

static void put_keys(struct contract *c, const char *const *keys, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const struct record record = contract_record(c, i);

        contract_put(c, keys[i], &record);
    }
}

/* In the order of their bytes, whatever a language says of letters, and a key before those that
 * begin with it. */
static void test_list_is_in_the_order_of_bytes(void **state)
{
    static const char *const keys[] = {"/b",    "/A", "/a",   "/a/",  "/\xc3\xa4", "/a\x01",
                                       "/\xff", "/B", "/a b", "/a-b", "/",         "\x01"};
    struct contract *c = *state;
    static const size_t wants[] = {0, 1, 2, 1000};

    assert_list(c, "", "", 0, 0, "");
    put_keys(c, keys, COUNT_OF(keys));
    for (unsigned i = 0; i < COUNT_OF(wants); i++)
        assert_list(c, "", "", wants[i], 0,
                    "\x01:11 /:10 /A:1 /B:7 /a:2 /a\x01:5 /a b:8 /a-b:9 /a/:3 /b:0 /\xc3\xa4:4 "
                    "/\xff:6 ");
}

static void test_list_of_a_prefix(void **state)
{
    static const char *const keys[] = {"/a",        "/a/1",          "/a/2", "/a/2/3", "/a0",
                                       "/\xff\xff", "/\xff\xff\xff", "0",    "/"};
    struct contract *c = *state;

    put_keys(c, keys, COUNT_OF(keys));
    assert_list(c, "/a/", "", 0, 0, "/a/1:1 /a/2:2 /a/2/3:3 ");
    assert_list(c, "/a/2", "", 1, 0, "/a/2:2 /a/2/3:3 ");
    assert_list(c, "/\xff", "", 1, 0, "/\xff\xff:5 /\xff\xff\xff:6 ");
    assert_list(c, "/\xff\xff\xff", "", 1, 0, "/\xff\xff\xff:6 ");
    assert_list(c, "\xff", "", 1, 0, "");
    assert_list(c, "/a/3", "", 1, 0, "");
}

static void test_list_from_a_start(void **state)
{
    static const char *const keys[] = {"/a/1", "/a/2", "/a/3", "/b"};
    struct contract *c = *state;

    put_keys(c, keys, COUNT_OF(keys));
    assert_list(c, "/a/", "/a/2", 1, 0, "/a/2:1 /a/3:2 ");
    assert_list(c, "/a/", "/a/2\x01", 1, 0, "/a/3:2 ");
    assert_list(c, "/a/", "/", 1, 0, "/a/1:0 /a/2:1 /a/3:2 ");
    assert_list(c, "/a/", "/b", 1, 0, "");
    assert_list(c, "", "/a/3", 0, 0, "/a/3:2 /b:3 ");
    assert_list(c, "", "\xff", 0, 0, "");
}

static void test_list_ends_where_its_callback_says(void **state)
{
    static const char *const keys[] = {"/1", "/2", "/3"};
    struct contract *c = *state;

    put_keys(c, keys, COUNT_OF(keys));
    for (size_t want = 0; want < 4; want++) {
        assert_list(c, "", "", want, 1, "/1:0 ");
        assert_list(c, "", "", want, 2, "/1:0 /2:1 ");
        assert_list(c, "", "", want, 3, "/1:0 /2:1 /3:2 ");
    }
}

/* A listing of several pages has each key once. */
static void test_list_of_many(void **state)
{
    static const size_t wants[] = {0, 1, MANY - 1, MANY, MANY + 1};
    struct contract *c = *state;
    char wanted[4096] = "";
    char key[16];

    for (unsigned i = 0; i < MANY; i++) {
        const struct record record = contract_record(c, i);

        snprintf(key, sizeof(key), "/%03u", i);
        contract_put(c, key, &record);
        snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "%s:%u ", key, i);
    }
    for (unsigned i = 0; i < COUNT_OF(wants); i++)
        assert_list(c, "/", "", wants[i], 0, wanted);
}

static void listed_cb(struct store_reading *reading, int rc)
{
    struct listing *listing = reading->data;

    (void)rc;
    listing->done = true;
}

/* Neither callback fires after that, also where the first one does it. */
static void test_list_that_is_cancelled(void **state)
{
    static const char *const keys[] = {"/1", "/2", "/3"};
    static const struct store_range range = {.prefix = "", .start = "", .want = 2};
    struct contract *c = *state;
    const struct record record = contract_record(c, 0);

    put_keys(c, keys, COUNT_OF(keys));
    for (unsigned i = 0; i < 4; i++) {
        struct listing listing = {.c = c, .stop_after = i, .cancels = true};
        int rc;

        listing.reading.data = &listing;
        rc = store_list(c->box.store, &listing.reading, &range, key_cb, &listing, listed_cb);
        if (i == 0)
            store_cancel(c->box.store, &listing.reading);
        while (listing.reading.request != NULL)
            engine_box_turn(&c->box);
        contract_put(c, "/1", &record); /* time goes by */
        contract_assert_has(c, "/1", &record);
        assert_false(listing.done);
        if (rc == STORE_LATER)
            assert_int_equal(listing.n, i);
    }
}

/* --- Listings of orphans --------------------------------------------------------------------- */

static void assert_orphans(struct contract *c, struct store_orphan_range range, unsigned stop_after,
                           const char *wanted)
{
    for (range.want = 0; range.want < 4; range.want++) {
        struct listing listing = {.c = c, .stop_after = stop_after};
        int rc;

        range.len = strlen(range.key);
        rc = engine_box_list_orphans(&c->box, &range, orphan_cb, &listing);
        assert_string_equal(listing.seen, wanted);
        assert_int_equal(rc, listing.n == stop_after && stop_after > 0 ? STOPPED : 0);
    }
}

static void test_list_of_orphans(void **state)
{
    static const struct {
        const char *key;
        uint64_t generation;
    } names[] = {{"/a", 300}, {"/a", 2}, {"/a\x01", 1}, {"/b", 1}, {"/a", 1ULL << 40}, {"/", 9}};
    struct contract *c = *state;
    const struct record record = contract_record(c, 1);

    contract_put(c, "/a", &record); /* isn't one */
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        const struct orphan orphan = contract_orphan(c, i);

        contract_put_orphan(c, names[i].key, names[i].generation, &orphan);
    }
#define RANGE(...) ((struct store_orphan_range){__VA_ARGS__})
    assert_orphans(c, RANGE(.key = ""), 0,
                   "/.9:6 /a.2:2 /a.300:1 /a.1099511627776:5 /a\x01.1:3 /b.1:4 ");
    assert_orphans(c, RANGE(.key = ""), 2, "/.9:6 /a.2:2 ");
    assert_orphans(c, RANGE(.key = "/a", .generation = 3), 0,
                   "/a.300:1 /a.1099511627776:5 /a\x01.1:3 /b.1:4 ");
    assert_orphans(c, RANGE(.key = "/a", .only = true), 0, "/a.2:2 /a.300:1 /a.1099511627776:5 ");
    assert_orphans(c, RANGE(.key = "/a", .generation = 300, .only = true), 0,
                   "/a.300:1 /a.1099511627776:5 ");
    assert_orphans(c, RANGE(.key = "/a", .generation = 300, .only = true), 1, "/a.300:1 ");
    assert_orphans(c, RANGE(.key = "/a", .generation = INT64_MAX, .only = true), 0, "");
    assert_orphans(c, RANGE(.key = "/aa", .only = true), 0, "");
}

/* What this index has announced or left is its own to remove. */
static void test_list_of_own_orphans(void **state)
{
    struct contract *c = *state;
    const struct orphan orphan = contract_orphan(c, 1);
    const struct store_change change = contract_orphan_of("/b", 2, &orphan);

    contract_put_orphan(c, "/a", 1, &orphan);
    assert_int_equal(engine_box_announce(&c->box, &change), 0);
    contract_put_orphan(c, "/a", 1, &orphan); /* until it ends, the announcement is visible */
    assert_orphans(c, RANGE(.key = "", .mine = true), 0, "/a.1:2 /b.2:2 ");
    assert_orphans(c, RANGE(.key = "/a", .generation = 2, .mine = true), 0, "/b.2:2 ");
}

/* --- Volumes, generations and numbers -------------------------------------------------------- */

static void assert_volume_id(struct contract *c, const char *name, uint32_t wanted)
{
    uint32_t id = UINT32_MAX;

    assert_int_equal(engine_box_volume_id(&c->box, name, &id), 0);
    assert_int_equal(id, wanted);
    assert_string_equal(store_volume_name(c->box.store, id), name);
}

static void test_volume_ids_are_given_once(void **state)
{
    struct contract *c = *state;
    char name[257];
    uint32_t id = 77;

    for (unsigned i = 0; i < CONTRACT_VOLUMES; i++)
        assert_int_equal(c->volumes[i], i);
    assert_volume_id(c, "localhost:3002", 1);
    memset(name, 'n', sizeof(name));
    name[256] = '\0';
    assert_int_equal(engine_box_volume_id(&c->box, name, &id), UV_ENAMETOOLONG);
    assert_int_equal(id, 77);
    name[255] = '\0';
    assert_volume_id(c, name, CONTRACT_VOLUMES);
    assert_null(store_volume_name(c->box.store, CONTRACT_VOLUMES + 1));
    assert_null(store_volume_name(c->box.store, UINT32_MAX));
}

static void test_volume_ids_stay(void **state)
{
    struct contract *c = *state;
    const struct record record = contract_record(c, 2);

    contract_put(c, "/a", &record); /* GDBM may forget an id that nothing names */
    engine_box_reopen(&c->box);
    assert_volume_id(c, "localhost:3001", 0);
    assert_volume_id(c, "localhost:3002", 1);
    assert_volume_id(c, "localhost:3003", 2);
}

static void identified_cb(struct store_reading *reading, int rc, uint32_t id)
{
    struct asked *asked = reading->data;

    assert_int_equal(rc, 0);
    asked->done = true;
    asked->id = id;
}

static void test_volume_ids_of_one_turn(void **state)
{
    static const char *const names[] = {"new:1", "new:2", "new:1", "localhost:3001", "new:3"};
    struct contract *c = *state;
    struct asked asked[COUNT_OF(names)];

    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        int rc;

        asked[i] = (struct asked){.reading = {.data = &asked[i]}};
        rc =
            store_volume_id(c->box.store, &asked[i].reading, names[i], &asked[i].id, identified_cb);
        asked[i].done = rc != STORE_LATER;
    }
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        while (!asked[i].done)
            engine_box_turn(&c->box);
        assert_string_equal(store_volume_name(c->box.store, asked[i].id), names[i]);
        assert_in_range(asked[i].id, 0, CONTRACT_VOLUMES + 2);
    }
    assert_int_equal(asked[0].id, asked[2].id);
}

static void test_last_generation_is_the_greatest(void **state)
{
    struct contract *c = *state;
    struct record record = contract_record(c, 1);
    const struct orphan orphan = contract_orphan(c, 1);

    assert_int_equal(store_last_generation(c->box.store), 0);
    contract_put(c, "/a", &record);
    assert_int_equal(store_last_generation(c->box.store), record.generation);
    contract_put_orphan(c, "/a", record.generation + 9, &orphan);
    record.generation--;
    contract_put(c, "/b", &record);
    assert_int_equal(store_last_generation(c->box.store), record.generation + 10);
    engine_box_reopen(&c->box);
    assert_in_range(store_last_generation(c->box.store), record.generation + 10, INT64_MAX);
}

static void assert_counts(struct contract *c, uint64_t keys, uint64_t unlinked, uint64_t orphans)
{
    struct store_stats stats;

    store_stats(c->box.store, &stats);
    assert_int_equal(stats.keys, keys);
    assert_int_equal(stats.unlinked, unlinked);
    assert_int_equal(stats.orphans, orphans);
    assert_false(stats.is_away);
    assert_int_equal(stats.indexes, 1);
}

static void test_stats_count(void **state)
{
    struct contract *c = *state;
    struct record record = contract_record(c, 1);
    const struct orphan orphan = contract_orphan(c, 1);

    if (c->box.kind->is_shared)
        skip(); /* theirs are counted from time to time */
    assert_counts(c, 0, 0, 0);
    contract_put(c, "/a", &record);
    contract_put(c, "/b", &record);
    contract_put_orphan(c, "/a", 1, &orphan);
    assert_counts(c, 2, 0, 1);
    record.flags = RECORD_UNLINKED;
    contract_put(c, "/a", &record);
    contract_put(c, "/a", &record);
    assert_counts(c, 1, 1, 1);
    engine_box_reopen(&c->box);
    assert_counts(c, 1, 1, 1);
    contract_put(c, "/a", NULL);
    contract_put(c, "/missing", NULL);
    contract_put_orphan(c, "/a", 1, NULL);
    assert_counts(c, 1, 0, 0);
}

static void test_store_alone_leads(void **state)
{
    struct contract *c = *state;

    assert_in_range(c->box.store->numbers, 1, 256);
    assert_in_range(c->box.store->number, 0, c->box.store->numbers - 1);
    assert_true(store_leads(c->box.store));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(test_get_of_a_missing_key),
        CONTRACT_TEST(test_get_has_every_field),
        CONTRACT_TEST(test_get_orphan_has_every_field),
        CONTRACT_TEST(test_get_of_any_key),
        CONTRACT_TEST(test_gets_of_one_turn_have_each_its_own),
        CONTRACT_TEST(test_get_that_is_cancelled),
        CONTRACT_TEST(test_view_of_a_key_without_a_record),
        CONTRACT_TEST(test_view_of_a_key_with_a_record),
        CONTRACT_TEST(test_list_is_in_the_order_of_bytes),
        CONTRACT_TEST(test_list_of_a_prefix),
        CONTRACT_TEST(test_list_from_a_start),
        CONTRACT_TEST(test_list_ends_where_its_callback_says),
        CONTRACT_TEST(test_list_of_many),
        CONTRACT_TEST(test_list_that_is_cancelled),
        CONTRACT_TEST(test_list_of_orphans),
        CONTRACT_TEST(test_list_of_own_orphans),
        CONTRACT_TEST(test_volume_ids_are_given_once),
        CONTRACT_TEST(test_volume_ids_stay),
        CONTRACT_TEST(test_volume_ids_of_one_turn),
        CONTRACT_TEST(test_last_generation_is_the_greatest),
        CONTRACT_TEST(test_stats_count),
        CONTRACT_TEST(test_store_alone_leads),
    };

    return contract_main(argc, argv, "contract_reads", tests, COUNT_OF(tests));
}
