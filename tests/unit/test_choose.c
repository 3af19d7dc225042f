/* What a rebuild makes of the files that it finds, and the bytes that they are sorted by. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/maintenance/choose.h"
#include "index/store/key_order.h"

#define NO_NOTE UINT64_MAX

struct result {
    struct choose choose;
    char text[1024];
};

static void tell_places(char *text, const struct place *places, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sprintf(text + strlen(text), " %u", places[i].volume);
}

static int key_cb(const struct key *key, const struct record *record, void *arg)
{
    char *text = arg;

    sprintf(text + strlen(text), "%.*s=%llu:%llu at", (int)key->len, key->bytes,
            (unsigned long long)record->generation, (unsigned long long)record->size);
    tell_places(text, record->places, record->n_places);
    strcat(text, "\n");
    return 0;
}

static int orphan_cb(const struct key *key, uint64_t generation, const struct orphan *orphan,
                     void *arg)
{
    char *text = arg;

    sprintf(text + strlen(text), "%.*s-%llu at", (int)key->len, key->bytes,
            (unsigned long long)generation);
    tell_places(text, orphan->places, orphan->n_places);
    strcat(text, "\n");
    return 0;
}

static void begin(struct result *r)
{
    *r = (struct result){.choose = {.key_cb = key_cb, .orphan_cb = orphan_cb, .arg = r->text}};
    log_set_level(LOG_LEVEL_ERROR);
}

static struct found file(const char *key, uint64_t generation, unsigned volume, uint64_t size,
                         uint64_t noted)
{
    struct found found = {
        .key.len = strlen(key),
        .generation = generation,
        .kind = FOUND_FILE,
        .place.volume = volume,
        .size = size,
        .note = {.has_size = noted != NO_NOTE, .size = noted},
    };

    memcpy(found.key.bytes, key, found.key.len);
    return found;
}

static void add(struct result *r, const char *key, uint64_t generation, unsigned volume,
                uint64_t size, uint64_t noted)
{
    const struct found found = file(key, generation, volume, size, noted);

    assert_int_equal(choose_add(&r->choose, &found), 0);
}

static void assert_result(struct result *r, const char *expected)
{
    assert_int_equal(choose_end(&r->choose), 0);
    assert_string_equal(r->text, expected);
}

static void test_choose_takes_the_newest(void **state)
{
    struct result r;

    (void)state;
    begin(&r);
    add(&r, "/a", 9, 0, 5, 5);
    add(&r, "/a", 9, 1, 5, 5);
    add(&r, "/a", 4, 1, 7, 7);
    add(&r, "/a", 0, 2, 7, NO_NOTE);
    add(&r, "/b", 0, 2, 1, NO_NOTE);
    assert_result(&r, "/a-4 at 1\n/a-0 at 2\n/a=9:5 at 0 1\n/b=0:1 at 2\n");
    assert_int_equal(r.choose.counts.keys, 2);
    assert_int_equal(r.choose.counts.copies, 3);
    assert_int_equal(r.choose.counts.orphans, 2);
}

/* One that was cut short is an orphan where its note tells, and so is a value without a whole copy
 * if there is an older one. */
static void test_choose_leaves_what_is_cut(void **state)
{
    struct result r;

    (void)state;
    begin(&r);
    add(&r, "/a", 9, 0, 3, 5);
    add(&r, "/a", 9, 1, 5, 5);
    add(&r, "/b", 9, 0, 3, 5);
    add(&r, "/b", 4, 1, 7, 7);
    add(&r, "/c", 9, 0, 3, 5);
    assert_result(&r, "/a-9 at 0\n/a=9:5 at 1\n/b-9 at 0\n/b=4:7 at 1\n/c=9:3 at 0\n");
    assert_int_equal(r.choose.counts.disagree, 1);
    assert_int_equal(r.choose.counts.cut, 1);
}

/* Without notes nobody knows which is right: the others are left alone. */
static void test_choose_without_notes(void **state)
{
    struct result r;

    (void)state;
    begin(&r);
    add(&r, "/a", 0, 0, 3, NO_NOTE);
    add(&r, "/a", 0, 1, 5, NO_NOTE);
    add(&r, "/b", 0, 0, 3, NO_NOTE);
    add(&r, "/b", 0, 1, 5, NO_NOTE);
    add(&r, "/b", 0, 2, 3, NO_NOTE);
    assert_result(&r, "/a=0:5 at 1\n/b=0:3 at 0 2\n");
    assert_int_equal(r.choose.counts.disagree, 2);
    assert_int_equal(r.choose.counts.orphans, 0);
}

/* What a backup knows. */
static void knows(struct result *r, const char *key, uint64_t generation, uint64_t size,
                  bool is_unlinked)
{
    struct found found = file(key, generation, 0, size, NO_NOTE);

    found.kind = FOUND_RECORD;
    found.time = 77;
    found.is_unlinked = is_unlinked;
    assert_int_equal(choose_add(&r->choose, &found), 0);
}

static void knows_orphan(struct result *r, const char *key, uint64_t generation)
{
    struct found found = file(key, generation, 0, 0, NO_NOTE);

    found.kind = FOUND_ORPHAN;
    assert_int_equal(choose_add(&r->choose, &found), 0);
}

static void test_choose_heeds_what_a_backup_knows(void **state)
{
    struct result r;

    (void)state;
    begin(&r);
    knows(&r, "/a", 9, 5, true);
    add(&r, "/a", 9, 0, 5, NO_NOTE);
    add(&r, "/a", 9, 1, 3, NO_NOTE);
    add(&r, "/a", 9, 2, 3, NO_NOTE);
    assert_int_equal(choose_end(&r.choose), 0);
    assert_string_equal(r.text, "/a-9 at 1 2\n/a=9:5 at 0\n");
    assert_int_equal(r.choose.record.flags, RECORD_UNLINKED);
    assert_int_equal(r.choose.record.time, 77);
    assert_int_equal(r.choose.counts.lost, 0);
}

/* A newer value is none of those that were unlinked. */
static void test_choose_takes_what_is_newer_than_a_backup(void **state)
{
    struct result r;

    (void)state;
    begin(&r);
    add(&r, "/a", 9, 0, 5, 5);
    knows(&r, "/a", 4, 7, true);
    add(&r, "/a", 4, 0, 7, 7);
    add(&r, "/b", 9, 0, 3, 5);
    knows(&r, "/b", 4, 7, true);
    add(&r, "/b", 4, 0, 7, 7);
    assert_result(&r, "/a-4 at 0\n/a=9:5 at 0\n/b-9 at 0\n/b=4:7 at 0\n");
    assert_int_equal(r.choose.counts.lost, 0);
}

static void test_choose_never_takes_a_known_orphan(void **state)
{
    struct result r;

    (void)state;
    begin(&r);
    knows_orphan(&r, "/a", 9);
    add(&r, "/a", 9, 0, 5, 5);
    knows(&r, "/a", 4, 7, false);
    add(&r, "/a", 4, 1, 7, 7);
    knows_orphan(&r, "/b", 9);
    add(&r, "/b", 9, 0, 5, 5);
    knows(&r, "/c", 9, 5, false);
    knows_orphan(&r, "/c", 9);
    add(&r, "/c", 9, 0, 5, 5);
    knows_orphan(&r, "/d", 9);
    assert_result(&r, "/a-9 at 0\n/a=4:7 at 1\n/b-9 at 0\n/c-9 at 0\n");
    assert_int_equal(r.choose.counts.keys, 1);
    assert_int_equal(r.choose.counts.lost, 0);
}

/* An older value that the backup doesn't know may have been PUT since: nothing is given up. */
static void test_choose_without_what_a_backup_knows(void **state)
{
    struct result r;

    (void)state;
    begin(&r);
    knows(&r, "/a", 9, 5, false);
    knows(&r, "/b", 9, 5, false);
    add(&r, "/b", 4, 1, 7, 7);
    knows(&r, "/c", 9, 5, false);
    add(&r, "/c", 9, 1, 3, NO_NOTE);
    assert_result(&r, "/b=4:7 at 1\n/c=9:3 at 1\n");
    assert_int_equal(r.choose.counts.keys, 2);
    assert_int_equal(r.choose.counts.lost, 2);
    assert_int_equal(r.choose.counts.cut, 1);
}

static void test_choose_of_too_many_copies(void **state)
{
    struct result r;

    (void)state;
    begin(&r);
    for (unsigned i = 0; i < 40; i++)
        add(&r, "/a", 9, i, 5, 5);
    assert_int_equal(choose_end(&r.choose), 0);
    assert_int_equal(r.choose.record.n_places, PLACES_MAX);
    assert_int_equal(r.choose.counts.too_many, 40 - ORPHAN_PLACES_MAX);
}

/* In the order of their bytes: by key, the newest generation first, then by place. */
/* The bytes are gone by the time that all files of a key are known. */
static void add_with_meta(struct result *r, struct found found, const char *meta)
{
    char *copy = strdup(meta);

    assert_non_null(copy);
    found.note.meta = copy;
    found.note.meta_len = strlen(meta);
    assert_int_equal(choose_add(&r->choose, &found), 0);
    memset(copy, '?', strlen(meta));
    free(copy);
}

static void assert_meta(struct result *r, const char *meta)
{
    assert_int_equal(choose_end(&r->choose), 0);
    assert_int_equal(r->choose.record.meta_len, strlen(meta));
    assert_memory_equal(r->choose.record.meta, meta, strlen(meta));
}

static void test_choose_takes_metadata_of_the_newest(void **state)
{
    struct result r;

    (void)state;
    begin(&r);
    add(&r, "/a", 9, 0, 5, 5); /* its file system has no attributes */
    add_with_meta(&r, file("/a", 9, 1, 5, 5), "type=a/b\n");
    add_with_meta(&r, file("/a", 4, 1, 5, 5), "type=c/d\n");
    assert_meta(&r, "type=a/b\n");
    begin(&r); /* one without after one with */
    add_with_meta(&r, file("/a", 9, 0, 5, 5), "type=a/b\n");
    add(&r, "/b", 9, 0, 5, 5);
    assert_meta(&r, "");
}

static void test_choose_takes_no_metadata_of_a_damaged_file(void **state)
{
    struct result r;

    (void)state;
    begin(&r);
    add_with_meta(&r, file("/a", 9, 0, 4, 5), "type=a/b\n");
    add_with_meta(&r, file("/a", 9, 1, 5, 5), "type=c/d\n");
    assert_meta(&r, "type=c/d\n");
}

static void test_choose_takes_metadata_that_a_backup_knows(void **state)
{
    struct found known = file("/a", 9, 0, 5, NO_NOTE);
    struct result r;

    (void)state;
    known.kind = FOUND_RECORD;
    begin(&r);
    add_with_meta(&r, known, "type=a/b\n");
    add(&r, "/a", 9, 0, 5, NO_NOTE);
    assert_meta(&r, "type=a/b\n");
    begin(&r); /* one that has none says nothing of the file's */
    assert_int_equal(choose_add(&r.choose, &known), 0);
    add_with_meta(&r, file("/a", 9, 0, 5, 5), "type=c/d\n");
    assert_meta(&r, "type=c/d\n");
}

static void test_found_sorts_and_comes_back(void **state)
{
    struct found files[] = {
        file("/a", UINT64_MAX, 0, 0, NO_NOTE),
        file("/a", 9, 5, 1, NO_NOTE), /* a record */
        file("/a", 9, 3, 0, NO_NOTE), /* an orphan */
        file("/a", 9, 0, 1, 2),
        file("/a", 9, 7, UINT64_MAX, 0),
        file("/a", 0, 0, 5, NO_NOTE),
        file("/a\x01", 5, 0, 5, 5),
        file("/aa", 3, 0, 5, 5),
        file("/b", 3, 0, 5, 5),
    };
    unsigned char last[FOUND_MAX];
    char meta[RECORD_META_MAX];
    size_t last_len = 0;

    (void)state;
    files[1].kind = FOUND_RECORD;
    files[1].is_unlinked = true;
    files[2].kind = FOUND_ORPHAN;
    files[3].note.meta = meta;
    files[3].note.meta_len = sizeof(meta);
    memset(meta, 'm', sizeof(meta));
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        unsigned char bytes[FOUND_MAX];
        size_t n = found_encode(&files[i], bytes);
        struct found back;

        assert_true(key_compare(last, last_len, bytes, n) < 0);
        assert_true(found_decode(bytes, n, &back));
        assert_int_equal(back.key.len, files[i].key.len);
        assert_memory_equal(back.key.bytes, files[i].key.bytes, back.key.len);
        assert_true(back.generation == files[i].generation && back.size == files[i].size);
        assert_int_equal(back.place.volume, files[i].place.volume);
        assert_true(back.kind == files[i].kind && back.is_unlinked == files[i].is_unlinked);
        assert_int_equal(back.note.has_size, files[i].note.has_size);
        assert_true(!back.note.has_size || back.note.size == files[i].note.size);
        assert_int_equal(back.note.meta_len, files[i].note.meta_len);
        if (back.note.meta_len > 0)
            assert_memory_equal(back.note.meta, files[i].note.meta, back.note.meta_len);
        for (size_t k = 0; k + files[i].note.meta_len < n; k++)
            assert_false(found_decode(bytes, k, &back));
        memcpy(last, bytes, n);
        last_len = n;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choose_takes_the_newest),
        cmocka_unit_test(test_choose_leaves_what_is_cut),
        cmocka_unit_test(test_choose_without_notes),
        cmocka_unit_test(test_choose_heeds_what_a_backup_knows),
        cmocka_unit_test(test_choose_takes_what_is_newer_than_a_backup),
        cmocka_unit_test(test_choose_never_takes_a_known_orphan),
        cmocka_unit_test(test_choose_without_what_a_backup_knows),
        cmocka_unit_test(test_choose_of_too_many_copies),
        cmocka_unit_test(test_choose_takes_metadata_of_the_newest),
        cmocka_unit_test(test_choose_takes_no_metadata_of_a_damaged_file),
        cmocka_unit_test(test_choose_takes_metadata_that_a_backup_knows),
        cmocka_unit_test(test_found_sorts_and_comes_back),
    };

    return cmocka_run_group_tests_name("choose", tests, NULL, NULL);
}
