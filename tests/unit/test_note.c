#include "tests/unit/test.h"

#include <assert.h>
#include <string.h>

#include "index/objects/note.h"
#include "launcher/volume/attribute.h"

static_assert(NOTE_MAX <= ATTRIBUTE_MAX, "a volume takes any note");

static struct note parse(const char *text)
{
    struct note note;

    note_parse(text, strlen(text), &note);
    return note;
}

static void test_note_round_trip(void **state)
{
    static const char meta[] = "type=text/plain; charset=utf-8\nx-a.b_c=\xc3\xa9\t=\xff\n";
    struct note note = {.has_size = true,
                        .size = 123,
                        .has_md5 = true,
                        .md5 = {1, 2, 0xff},
                        .meta = meta,
                        .meta_len = sizeof(meta) - 1};
    struct note back;
    char text[NOTE_MAX];
    size_t n = note_format(&note, text);

    (void)state;
    note_parse(text, n, &back);
    assert_true(back.has_size && back.size == 123 && back.has_md5);
    assert_memory_equal(back.md5, note.md5, MD5_SIZE);
    assert_int_equal(back.meta_len, sizeof(meta) - 1);
    assert_memory_equal(back.meta, meta, back.meta_len);
    for (size_t k = 0; k < n; k++) {
        note_parse(text, k, &back);
        assert_true(back.meta_len < sizeof(meta) - 1);
    }
}

static void test_note_parse_size_and_md5(void **state)
{
    struct note note = parse("later=x\nsize=7\nsize");

    (void)state;
    assert_true(note.has_size && note.size == 7 && !note.has_md5);
    note = parse("size=12x\nmd5=00\n");
    assert_false(note.has_size || note.has_md5);
    assert_int_equal(note.meta_len, 0);
}

static void expect_meta(const char *text, const char *meta)
{
    struct note note = parse(text);

    assert_int_equal(note.meta_len, strlen(meta));
    if (note.meta_len > 0)
        assert_memory_equal(note.meta, meta, note.meta_len);
}

/* What can't be metadata is left out, and what comes after it. */
static void test_note_parse_metadata(void **state)
{
    (void)state;
    expect_meta("size=1\na=1\nb=2\n", "a=1\nb=2\n");
    expect_meta("a=1\nsize=1\nb=2\n", "a=1\n");
    expect_meta("size=1\nA=1\nb=2\n\nc=3\n", "b=2\n");
    expect_meta("a=1", "");
    expect_meta("a\n", "");
    expect_meta("=1\n", "");
    expect_meta("a=\n", "a=\n");
    expect_meta("a=\r\n", "");
    expect_meta("a b=1\n", "");
}

static void test_note_parse_metadata_up_to_what_a_record_has_room_for(void **state)
{
    char text[RECORD_META_MAX + 4];
    struct note note;

    (void)state;
    memset(text, 'v', sizeof(text));
    memcpy(text, "a=", 2);
    text[RECORD_META_MAX - 1] = '\n';
    memcpy(text + RECORD_META_MAX, "b=2\n", 4);
    note_parse(text, sizeof(text), &note);
    assert_int_equal(note.meta_len, RECORD_META_MAX);
    assert_true(note_meta_is_valid(text, RECORD_META_MAX));
    assert_false(note_meta_is_valid(text, sizeof(text)));
    text[RECORD_META_MAX - 1] = 'v';
    text[RECORD_META_MAX] = '\n';
    note_parse(text, RECORD_META_MAX + 1, &note);
    assert_int_equal(note.meta_len, 0);
}

static void test_note_meta_is_valid(void **state)
{
    static const char *const good[] = {"", "a=\n", "a=1\nb=2=3\n", "!#$%&'*+-.^_`|~09az=\xff \t\n"};
    static const char *const bad[] = {
        "a",       "a=1",      "=1\n",        "\n",       "a=1\n\n", "A=1\n",        "a =1\n",
        "a=1\r\n", "a=\x7f\n", "a=\x1b[0m\n", "size=1\n", "md5=x\n", "a=1\nsize=\n", "\xc3\xa9=1\n",
        "a:b=1\n", "a=1\nb"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(note_meta_is_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (note_meta_is_valid(bad[i], strlen(bad[i])))
            fail_msg("%s", bad[i]);
    }
    assert_false(note_meta_is_valid("a=\0\n", 4));
    assert_false(note_meta_is_valid("a\0=\n", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_note_round_trip),
        cmocka_unit_test(test_note_parse_size_and_md5),
        cmocka_unit_test(test_note_parse_metadata),
        cmocka_unit_test(test_note_parse_metadata_up_to_what_a_record_has_room_for),
        cmocka_unit_test(test_note_meta_is_valid),
    };

    return cmocka_run_group_tests_name("note", tests, NULL, NULL);
}
