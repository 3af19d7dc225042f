#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#include "index/maintenance/dump_line.h"

#define GENERATION_MAX 0xe677d21fdbffffff /* the last one of the year 9999 */

#define MD5   "5d41402abc4b2a76b9719d911017c592"
#define REST  "\"size\":5,\"time\":7,\"volumes\":[\"a:1\"]}"
#define LINE  "{\"key\":\"/a\"," REST
#define TEN   "\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\","
#define LONGN "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static const char *parse(const char *text, struct dump_line *line)
{
    return dump_line_parse(text, strlen(text), line);
}

/* What was parsed, written again. */
static void print(const struct dump_line *line, struct buf *out)
{
    const char *volumes[ORPHAN_PLACES_MAX];

    for (unsigned i = 0; i < line->record.n_places; i++)
        volumes[i] = line->volumes[line->record.places[i].volume];
    for (unsigned i = 0; i < line->orphan.n_places; i++)
        volumes[i] = line->volumes[line->orphan.places[i].volume];
    if (line->kind == DUMP_HEADER)
        assert_int_equal(dump_append_header(out), 0);
    else if (line->kind == DUMP_END)
        assert_int_equal(dump_append_end(out, &line->counts), 0);
    else if (line->kind == DUMP_KEY)
        assert_int_equal(
            dump_append_record(out, line->key.bytes, line->key.len, &line->record, volumes), 0);
    else
        assert_int_equal(dump_append_orphan(out, line->key.bytes, line->key.len, line->generation,
                                            &line->orphan, volumes),
                         0);
    assert_int_equal(buf_append(out, "", 1), 0);
}

static void test_dump_line_parse_and_append_round_trip(void **state)
{
    static const char *const lines[] = {
        "{\"format\":\"mkv-dump\",\"version\":2}\n",
        LINE "\n",
        "{\"key\":\"/a\\u0001\\\"\\\\\\u007f\",\"size\":0,\"time\":0,\"volumes\":[\"a:1\"]}\n",
        "{\"key\":\"/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"," REST "\n",
        "{\"key\":{\"percent\":\"/%FF/~%0A\"}," REST "\n",
        "{\"key\":\"/a\",\"size\":9223372036854775807,\"time\":9223372036854775807,"
        "\"unlinked\":true,\"md5\":\"" MD5 "\",\"volumes\":[\"a:1/sv00\",\"b:65535/svFF\","
        "\"[::1]:1/svFFFFFFFF\",\"a:1\"]}\n",
        "{\"key\":\"/a\",\"size\":5,\"time\":1763740800123,\"generation\":\"019ab7f0d2bb0000\","
        "\"unlinked\":true,\"md5\":\"" MD5 "\",\"volumes\":[\"a:1/sv00\"]}\n",
        "{\"key\":\"/a\",\"size\":5,\"time\":7,\"generation\":\"0000000000000001\","
        "\"volumes\":[\"a:1\"]}\n",
        "{\"key\":\"/a\",\"size\":5,\"time\":7,\"generation\":\"e677d21fdbffffff\","
        "\"volumes\":[\"a:1\"]}\n",
        "{\"key\":\"/a\",\"size\":5,\"time\":-1,\"volumes\":[\"a:1\"]}\n",
        "{\"key\":\"/a\",\"size\":5,\"time\":-9223372036854775808,\"volumes\":[\"a:1\"]}\n",
        "{\"key\":\"/a\",\"size\":5,\"time\":7,\"md5\":\"" MD5 "\","
        "\"meta\":\"type=a/b\\u000ax-a=\\\"\xc3\xa9\\\\\\u0009\\u000a\",\"volumes\":[\"a:1\"]}\n",
        "{\"key\":\"/a\",\"size\":5,\"time\":7,\"meta\":{\"percent\":\"x-a%3D%FF%0A\"},"
        "\"volumes\":[\"a:1\"]}\n",
        "{\"orphan\":\"/a\",\"volumes\":[\"a:1\"]}\n",
        "{\"orphan\":\"/a\",\"generation\":\"019ab7f0d2bb0001\",\"until\":1763740860123,"
        "\"volumes\":[\"a:1\",\"b:2 disk/svFF\"]}\n",
        "{\"orphan\":\"/a\",\"generation\":\"019ab7f0d2bb0001\",\"time\":1763740801000,"
        "\"volumes\":[\"a:1\"]}\n",
        "{\"orphan\":\"/a\",\"time\":-1,\"until\":7,\"volumes\":[\"a:1\"]}\n",
        "{\"orphan\":{\"percent\":\"/%FF\"},\"until\":9223372036854775807,\"volumes\":[" TEN TEN TEN
        "\"a:1\",\"a:1\"]}\n",
        "{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[\"a:1 5d41-x._Z\",\"[::1]:1 "
        "0/sv0A\"]}\n",
        "{\"end\":true,\"keys\":1,\"unlinked\":2,\"orphans\":3}\n",
    };
    struct dump_line line;
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        assert_null(parse(lines[i], &line));
        buf_clear(&out);
        print(&line, &out);
        assert_string_equal(buf_bytes(&out), lines[i]);
    }
    buf_deinit(&out);
}

static void test_dump_line_parse_takes_any_order_and_white_space(void **state)
{
    struct dump_line line;

    (void)state;
    assert_null(parse("  { \"volumes\" : [ \"a:1/sv0A\" ], \"time\":7, \"md5\":\"" MD5 "\",\t"
                      "\"size\":5, \"key\":\"/a\"}\r",
                      &line));
    assert_int_equal(line.kind, DUMP_KEY);
    assert_int_equal(line.key.len, 2);
    assert_int_equal(line.record.size, 5);
    assert_int_equal(line.record.time, 7);
    assert_int_equal(line.record.flags, RECORD_MD5);
    assert_int_equal(line.record.md5[0], 0x5d);
    assert_true(line.record.places[0].has_subvolume);
    assert_int_equal(line.record.places[0].subvolume, 10);
    assert_string_equal(line.volumes[0], "a:1");
}

/* Version 1 knew no generations, and its orphans had a record's fields. */
static void test_dump_line_parse_takes_version_1(void **state)
{
    struct dump_line line;

    (void)state;
    assert_null(parse("{\"format\":\"mkv-dump\",\"version\":1}", &line));
    assert_int_equal(line.kind, DUMP_HEADER);
    assert_null(parse(LINE, &line));
    assert_int_equal(line.record.generation, 0);
    assert_null(parse("{\"orphan\":\"/a\",\"size\":5,\"time\":7,\"unlinked\":true,\"md5\":\"" MD5
                      "\",\"volumes\":[\"a:1\",\"b:1/sv0A\"]}",
                      &line));
    assert_int_equal(line.kind, DUMP_ORPHAN);
    assert_int_equal(line.generation, 0);
    assert_int_equal(line.orphan.until, 0);
    assert_int_equal(line.orphan.time, 7);
    assert_int_equal(line.orphan.n_places, 2);
    assert_string_equal(line.volumes[1], "b:1");
    assert_int_equal(line.orphan.places[1].subvolume, 10);
}

/* Lines that are none, and a part of what is said of each. */
static const struct {
    const char *text;
    const char *problem; /* a part of it */
} refused[] = {
    {"", "no JSON object"},
    {"[]", "no JSON object"},
    {LINE LINE, "no JSON object"},
    {"{\"key\":\"/a\",\"key\":\"/a\"," REST, "no JSON object"},
    {"{\"key\":\"/\xff\"," REST, "no JSON object"},
    {"{\"key\":\"/\\u0000\"," REST, "no JSON object"},
    {"{\"key\":\"/a\",\"meta\":\"\"," REST, "\"meta\""},
    {"{\"key\":\"/a\",\"meta\":5," REST, "\"meta\""},
    {"{\"key\":\"/a\",\"meta\":\"a=1\"," REST, "\"meta\""},
    {"{\"key\":\"/a\",\"meta\":\"A=1\\n\"," REST, "\"meta\""},
    {"{\"key\":\"/a\",\"meta\":\"a=1\\r\\n\"," REST, "\"meta\""},
    {"{\"key\":\"/a\",\"meta\":\"size=1\\n\"," REST, "\"meta\""},
    {"{\"key\":\"/a\",\"meta\":{\"percent\":\"a=%0\"}," REST, "\"meta\""},
    {"{\"key\":\"/a\",\"meta\":{\"percent\":\"a=%00%0A\"}," REST, "\"meta\""},
    {"{\"key\":\"/a\",\"meta\":{\"percent\":\"a=%0A\",\"b\":1}," REST, "\"meta\""},
    {"{\"key\":\"/a\",\"size\":9223372036854775808,\"time\":7,\"volumes\":[\"a:1\"]}",
     "no JSON object"},
    {"{}", "none of a dump's"},
    {"{\"format\":\"csv\",\"version\":1}", "another format"},
    {"{\"format\":\"mkv-dump\"}", "version"},
    {"{\"format\":\"mkv-dump\",\"version\":0}", "version"},
    {"{\"format\":\"mkv-dump\",\"version\":3}", "newer mkv"},
    {"{\"format\":\"mkv-dump\",\"version\":1,\"x\":1}", "field too many"},
    {"{\"key\":\"a\"," REST, "begin with '/'"},
    {"{\"key\":\"/\"," REST, "is empty"},
    {"{\"key\":5," REST, "neither a string"},
    {"{\"key\":{\"percent\":5}," REST, "neither a string"},
    {"{\"key\":{\"percent\":\"/a\",\"x\":1}," REST, "neither a string"},
    {"{\"key\":{\"percent\":\"/%F\"}," REST, "percent-encoded"},
    {"{\"key\":{\"percent\":\"/%00\"}," REST, "percent-encoded"},
    {"{\"key\":\"/a\",\"orphan\":\"/a\"," REST, "field too many"},
    {"{\"key\":\"/a\",\"color\":1," REST, "field too many"},
    {"{\"key\":\"/a\",\"time\":7,\"volumes\":[\"a:1\"]}", "\"size\""},
    {"{\"key\":\"/a\",\"size\":-1,\"time\":7,\"volumes\":[\"a:1\"]}", "\"size\""},
    {"{\"key\":\"/a\",\"size\":5.0,\"time\":7,\"volumes\":[\"a:1\"]}", "\"size\""},
    {"{\"key\":\"/a\",\"size\":5,\"time\":\"7\",\"volumes\":[\"a:1\"]}", "\"time\""},
    {"{\"key\":\"/a\",\"unlinked\":false," REST, "\"unlinked\""},
    {"{\"key\":\"/a\",\"generation\":5," REST, "\"generation\""},
    {"{\"key\":\"/a\",\"generation\":\"19ab7f0d2bb0000\"," REST, "\"generation\""},
    {"{\"key\":\"/a\",\"generation\":\"0019ab7f0d2bb0000\"," REST, "\"generation\""},
    {"{\"key\":\"/a\",\"generation\":\"019AB7F0D2BB0000\"," REST, "\"generation\""},
    {"{\"key\":\"/a\",\"generation\":\"0000000000000000\"," REST, "\"generation\""},
    {"{\"key\":\"/a\",\"generation\":\"e677d21fdc000000\"," REST, "\"generation\""},
    {"{\"key\":\"/a\",\"until\":5," REST, "field too many"},
    {"{\"orphan\":\"/a\",\"generation\":\"\",\"volumes\":[\"a:1\"]}", "\"generation\""},
    {"{\"orphan\":\"/a\",\"until\":\"5\",\"volumes\":[\"a:1\"]}", "\"until\""},
    {"{\"orphan\":\"/a\",\"time\":\"5\",\"volumes\":[\"a:1\"]}", "\"time\""},
    {"{\"orphan\":\"/a\",\"color\":5,\"volumes\":[\"a:1\"]}", "field too many"},
    {"{\"orphan\":\"/a\"}", "1 to 32 volumes"},
    {"{\"orphan\":\"/a\",\"volumes\":[" TEN TEN TEN "\"a:1\",\"a:1\",\"a:1\"]}", "1 to 32 volumes"},
    {"{\"key\":\"/a\",\"md5\":\"5D41402ABC4B2A76B9719D911017C592\"," REST, "\"md5\""},
    {"{\"key\":\"/a\",\"md5\":\"5d\"," REST, "\"md5\""},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7}", "1 to 16 volumes"},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[]}", "1 to 16 volumes"},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[\"a:1\",\"a:1\",\"a:1\",\"a:1\","
     "\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\","
     "\"a:1\",\"a:1\",\"a:1\"]}",
     "1 to 16 volumes"},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[5]}", "HOST:PORT"},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[\"a\"]}", "HOST:PORT"},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[\"a:1/sv0a\"]}", "HOST:PORT"},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[\"a:1/sv000\"]}", "HOST:PORT"},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[\"a:1 \"]}", "HOST:PORT"},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[\"a:1 b c\"]}", "HOST:PORT"},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[\"a:1 b\\\"\"]}", "HOST:PORT"},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[\"a:1/sv00 b\"]}", "HOST:PORT"},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[\"a:1/sv1FFFFFFFF\"]}", "HOST:PORT"},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[\"a:1/\"]}", "HOST:PORT"},
    {"{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[\"" LONGN LONGN LONGN LONGN ":1\"]}",
     "HOST:PORT"},
    {"{\"end\":false,\"keys\":1,\"unlinked\":2,\"orphans\":3}", "counts"},
    {"{\"end\":true,\"keys\":1,\"unlinked\":2}", "counts"},
};

static void test_dump_line_parse_refuses_the_rest(void **state)
{
    struct dump_line line;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        const char *problem = parse(refused[i].text, &line);

        if (problem == NULL || strstr(problem, refused[i].problem) == NULL)
            fail_msg("%s: %s", refused[i].text, problem != NULL ? problem : "taken");
    }
}

/* The longest key fits in both forms; one of a byte more is none. */
static void test_dump_line_longest_record_fits_in_a_line(void **state)
{
    static char name[DUMP_VOLUME_MAX + 1];
    const char *volumes[PLACES_MAX];
    struct record record = {.size = INT64_MAX,
                            .time = (uint64_t)INT64_MAX + 1,
                            .generation = GENERATION_MAX,
                            .flags = 3,
                            .n_places = 16};
    struct dump_line line;
    struct buf out = {0};
    char key[KEY_MAX + 1];

    (void)state;
    memset(name, 'n', sizeof(name) - 7);
    strcpy(name + sizeof(name) - 7, ":65535");
    assert_int_equal(strlen(name), DUMP_VOLUME_MAX);
    for (unsigned i = 0; i < PLACES_MAX; i++) {
        volumes[i] = name;
        record.places[i] = (struct place){.volume = i, .has_subvolume = true};
    }
    for (int byte = 1; byte <= 0xff; byte += 0xfe) { /* "\u0001" and "%FF" */
        memset(key, byte, sizeof(key));
        key[0] = '/';
        memset(record.meta, 0xff, RECORD_META_MAX);
        memcpy(record.meta, "a=", 2);
        record.meta[RECORD_META_MAX - 1] = '\n';
        record.meta_len = RECORD_META_MAX;
        buf_clear(&out);
        assert_int_equal(dump_append_record(&out, key, KEY_MAX, &record, volumes), 0);
        assert_in_range(buf_size(&out), KEY_MAX, DUMP_LINE_MAX);
        assert_null(dump_line_parse(buf_bytes(&out), buf_size(&out), &line));
        assert_memory_equal(line.key.bytes, key, KEY_MAX);
        assert_int_equal(line.record.meta_len, RECORD_META_MAX);
        assert_memory_equal(line.record.meta, record.meta, RECORD_META_MAX);
        buf_clear(&out);
        assert_int_equal(dump_append_record(&out, key, KEY_MAX + 1, &record, volumes), 0);
        assert_non_null(dump_line_parse(buf_bytes(&out), buf_size(&out), &line));
    }
    buf_deinit(&out);
}

/* The same of an orphan, whose places are twice as many. */
static void test_dump_line_longest_orphan_fits_in_a_line(void **state)
{
    static char name[DUMP_VOLUME_MAX + 1];
    const char *volumes[ORPHAN_PLACES_MAX];
    struct orphan orphan = {
        .until = INT64_MAX, .time = (uint64_t)INT64_MAX + 1, .n_places = ORPHAN_PLACES_MAX};
    struct dump_line line;
    struct buf out = {0};
    char key[KEY_MAX];

    (void)state;
    memset(name, 'n', sizeof(name) - 7);
    strcpy(name + sizeof(name) - 7, ":65535");
    for (unsigned i = 0; i < ORPHAN_PLACES_MAX; i++) {
        volumes[i] = name;
        orphan.places[i] =
            (struct place){.volume = i, .has_subvolume = true, .subvolume = UINT32_MAX};
    }
    memset(key, 1, sizeof(key));
    key[0] = '/';
    assert_int_equal(dump_append_orphan(&out, key, KEY_MAX, GENERATION_MAX, &orphan, volumes), 0);
    assert_in_range(buf_size(&out), KEY_MAX, DUMP_LINE_MAX);
    assert_null(dump_line_parse(buf_bytes(&out), buf_size(&out), &line));
    assert_int_equal(line.generation, GENERATION_MAX);
    assert_int_equal(line.orphan.n_places, ORPHAN_PLACES_MAX);
    assert_int_equal(line.orphan.until, INT64_MAX);
    buf_deinit(&out);
}

static void test_dump_append_record_refuses_what_would_not_be_read(void **state)
{
    static const char *const names[] = {
        "a", "a:1/sv00", "a:1\"", "", "a:1 ", "a:1 b c", "a:1 b\"", LONGN LONGN LONGN LONGN ":1"};
    const char *good = "a:1";
    struct record record = {.size = (uint64_t)INT64_MAX + 1, .n_places = 1};
    struct orphan orphan = {.n_places = 1};
    struct buf out = {0};

    (void)state;
    assert_int_equal(dump_append_record(&out, "/a", 2, &record, &good), -EINVAL);
    record.size = 0;
    record.generation = GENERATION_MAX + 1;
    assert_int_equal(dump_append_record(&out, "/a", 2, &record, &good), -EINVAL);
    assert_int_equal(dump_append_orphan(&out, "/a", 2, GENERATION_MAX + 1, &orphan, &good),
                     -EINVAL);
    record.generation = 0;
    record.meta_len = 1;
    assert_int_equal(dump_append_record(&out, "/a", 2, &record, &good), -EINVAL);
    record.meta_len = 0;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(dump_append_record(&out, "/a", 2, &record, &names[i]), -EINVAL);
        assert_int_equal(dump_append_orphan(&out, "/a", 2, 1, &orphan, &names[i]), -EINVAL);
    }
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dump_line_parse_and_append_round_trip),
        cmocka_unit_test(test_dump_line_parse_takes_any_order_and_white_space),
        cmocka_unit_test(test_dump_line_parse_takes_version_1),
        cmocka_unit_test(test_dump_line_parse_refuses_the_rest),
        cmocka_unit_test(test_dump_line_longest_record_fits_in_a_line),
        cmocka_unit_test(test_dump_line_longest_orphan_fits_in_a_line),
        cmocka_unit_test(test_dump_append_record_refuses_what_would_not_be_read),
    };

    return cmocka_run_group_tests_name("dump_line", tests, NULL, NULL);
}
