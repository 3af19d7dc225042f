#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#include "index/maintenance/dump_line.h"

#define MD5   "5d41402abc4b2a76b9719d911017c592"
#define REST  "\"size\":5,\"time\":7,\"volumes\":[\"a:1\"]}"
#define LINE  "{\"key\":\"/a\"," REST
#define LONGN "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static const char *parse(const char *text, struct dump_line *line)
{
    return dump_line_parse(text, strlen(text), line);
}

/* What was parsed, written again. */
static void print(const struct dump_line *line, struct buf *out)
{
    const char *volumes[RECORD_REPLICAS_MAX];

    for (unsigned i = 0; i < line->record.n_replicas; i++)
        volumes[i] = line->volumes[line->record.replicas[i].volume];
    if (line->kind == DUMP_HEADER)
        assert_int_equal(dump_append_header(out), 0);
    else if (line->kind == DUMP_END)
        assert_int_equal(dump_append_end(out, &line->counts), 0);
    else
        assert_int_equal(dump_append_record(out,
                                            line->kind == DUMP_KEY ? STORE_KEYS : STORE_ORPHANS,
                                            line->key.bytes, line->key.len, &line->record, volumes),
                         0);
    assert_int_equal(buf_append(out, "", 1), 0);
}

static void test_dump_line_parse_and_append_round_trip(void **state)
{
    static const char *const lines[] = {
        "{\"format\":\"mkv-dump\",\"version\":1}\n",
        LINE "\n",
        "{\"key\":\"/a\\u0001\\\"\\\\\\u007f\",\"size\":0,\"time\":0,\"volumes\":[\"a:1\"]}\n",
        "{\"key\":\"/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"," REST "\n",
        "{\"key\":{\"percent\":\"/%FF/~%0A\"}," REST "\n",
        "{\"key\":\"/a\",\"size\":9223372036854775807,\"time\":9223372036854775807,"
        "\"unlinked\":true,\"md5\":\"" MD5 "\",\"volumes\":[\"a:1/sv00\",\"b:65535/svFF\","
        "\"[::1]:1/svFFFFFFFF\",\"a:1\"]}\n",
        "{\"orphan\":\"/a\",\"size\":5,\"time\":7,\"unlinked\":true,\"volumes\":[\"a:1\"]}\n",
        "{\"key\":\"/a\",\"size\":5,\"time\":-1,\"volumes\":[\"a:1\"]}\n",
        "{\"key\":\"/a\",\"size\":5,\"time\":-9223372036854775808,\"volumes\":[\"a:1\"]}\n",
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
    assert_true(line.record.replicas[0].has_subvolume);
    assert_int_equal(line.record.replicas[0].subvolume, 10);
    assert_string_equal(line.volumes[0], "a:1");
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
    {"{\"key\":\"/a\",\"size\":9223372036854775808,\"time\":7,\"volumes\":[\"a:1\"]}",
     "no JSON object"},
    {"{}", "none of a dump's"},
    {"{\"format\":\"csv\",\"version\":1}", "another format"},
    {"{\"format\":\"mkv-dump\"}", "version"},
    {"{\"format\":\"mkv-dump\",\"version\":2}", "newer mkv"},
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

/* A key of 1,025 bytes fits in both forms; one of 1,026 is none. */
static void test_dump_line_longest_record_fits_in_a_line(void **state)
{
    static char name[DUMP_VOLUME_MAX + 1];
    const char *volumes[RECORD_REPLICAS_MAX];
    struct record record = {
        .size = INT64_MAX, .time = (uint64_t)INT64_MAX + 1, .flags = 3, .n_replicas = 16};
    struct dump_line line;
    struct buf out = {0};
    char key[KEY_MAX + 1];

    (void)state;
    memset(name, 'n', sizeof(name) - 7);
    strcpy(name + sizeof(name) - 7, ":65535");
    assert_int_equal(strlen(name), DUMP_VOLUME_MAX);
    for (unsigned i = 0; i < RECORD_REPLICAS_MAX; i++) {
        volumes[i] = name;
        record.replicas[i] = (struct replica){.volume = i, .has_subvolume = true};
    }
    for (int byte = 1; byte <= 0xff; byte += 0xfe) { /* "\u0001" and "%FF" */
        memset(key, byte, sizeof(key));
        key[0] = '/';
        buf_clear(&out);
        assert_int_equal(dump_append_record(&out, STORE_KEYS, key, KEY_MAX, &record, volumes), 0);
        assert_in_range(buf_size(&out), KEY_MAX, DUMP_LINE_MAX);
        assert_null(dump_line_parse(buf_bytes(&out), buf_size(&out), &line));
        assert_memory_equal(line.key.bytes, key, KEY_MAX);
        buf_clear(&out);
        assert_int_equal(dump_append_record(&out, STORE_KEYS, key, KEY_MAX + 1, &record, volumes),
                         0);
        assert_non_null(dump_line_parse(buf_bytes(&out), buf_size(&out), &line));
    }
    buf_deinit(&out);
}

static void test_dump_append_record_refuses_what_would_not_be_read(void **state)
{
    static const char *const names[] = {
        "a", "a:1/sv00", "a:1\"", "", "a:1 ", "a:1 b c", "a:1 b\"", LONGN LONGN LONGN LONGN ":1"};
    const char *good = "a:1";
    struct record record = {.size = (uint64_t)INT64_MAX + 1, .n_replicas = 1};
    struct buf out = {0};

    (void)state;
    assert_int_equal(dump_append_record(&out, STORE_KEYS, "/a", 2, &record, &good), -EINVAL);
    record.size = 0;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(dump_append_record(&out, STORE_KEYS, "/a", 2, &record, &names[i]),
                         -EINVAL);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dump_line_parse_and_append_round_trip),
        cmocka_unit_test(test_dump_line_parse_takes_any_order_and_white_space),
        cmocka_unit_test(test_dump_line_parse_refuses_the_rest),
        cmocka_unit_test(test_dump_line_longest_record_fits_in_a_line),
        cmocka_unit_test(test_dump_append_record_refuses_what_would_not_be_read),
    };

    return cmocka_run_group_tests_name("dump_line", tests, NULL, NULL);
}
