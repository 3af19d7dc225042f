/* A backup's bytes as lines, whole, damaged and hostile; and the names of backups. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "index/maintenance/backup_key.h"
#include "index/maintenance/backup_read.h"

#define HEADER "{\"format\":\"mkv-dump\",\"version\":2}\n"
#define KEYS                                                                                       \
    "{\"key\":\"/a\",\"size\":5,\"time\":7,\"volumes\":[\"h:1\"]}\n"                               \
    "{\"key\":\"/b\",\"size\":5,\"time\":7,\"unlinked\":true,\"volumes\":[\"h:1\"]}\n"             \
    "{\"orphan\":\"/c\",\"generation\":\"0000000000010001\",\"volumes\":[\"h:1\"]}\n"
#define END "{\"end\":true,\"keys\":1,\"unlinked\":1,\"orphans\":1}\n"

static int line_cb(const struct dump_line *line, void *arg)
{
    strncat(arg, line->key.bytes, line->key.len);
    return 0;
}

static int refusing_cb(const struct dump_line *line, void *arg)
{
    (void)line;
    (void)arg;
    return -ENOSPC;
}

static void pack(const char *text, size_t n, struct buf *out)
{
    struct gzip *gzip = gzip_new();

    assert_non_null(gzip);
    for (size_t i = 0; i < n; i += 1000)
        assert_int_equal(gzip_add(gzip, text + i, n - i < 1000 ? n - i : 1000, out), 0);
    assert_int_equal(gzip_end(gzip, out), 0);
    gzip_free(gzip);
}

/* Reads it `step` bytes at a time; what it found goes to `keys`. */
static int unpack(const char *bytes, size_t n, size_t step, char *keys, const char **problem)
{
    struct backup_read read = {.line_cb = line_cb, .arg = keys};
    int rc = 0;

    *keys = '\0';
    for (size_t i = 0; i < n && rc == 0; i += step)
        rc = backup_read_add(&read, bytes + i, n - i < step ? n - i : step);
    if (rc == 0)
        rc = backup_read_end(&read);
    *problem = read.problem;
    assert_true((rc == -EILSEQ) == (read.problem != NULL));
    backup_read_deinit(&read);
    return rc;
}

static void assert_reads(const char *text, int expected, const char *problem)
{
    struct buf packed = {0};
    char keys[64];
    const char *why;

    pack(text, strlen(text), &packed);
    for (size_t step = 1; step < 64; step *= 3) {
        assert_int_equal(unpack(buf_bytes(&packed), buf_size(&packed), step, keys, &why), expected);
        if (problem != NULL)
            assert_string_equal(why, problem);
        else
            assert_string_equal(keys, "/a/b/c");
    }
    buf_deinit(&packed);
}

static void test_backup_read_of_a_whole_one(void **state)
{
    (void)state;
    assert_reads(HEADER KEYS END, 0, NULL);
}

static void test_backup_read_wants_a_whole_dump(void **state)
{
    (void)state;
    assert_reads(HEADER KEYS, -EILSEQ, "lacks the end of its dump");
    assert_reads(HEADER KEYS "{\"end\":true", -EILSEQ, "lacks the end of its dump");
    assert_reads("", -EILSEQ, "lacks the end of its dump");
    assert_reads(KEYS END, -EILSEQ, "has a line that is none of a dump's");
    assert_reads(HEADER KEYS KEYS END, -EILSEQ, "has a line that is none of a dump's");
    assert_reads(HEADER KEYS END "\n", -EILSEQ, "has a line that is none of a dump's");
    assert_reads(HEADER "\n" KEYS END, -EILSEQ, "has a line that is none of a dump's");
}

/* Cut anywhere, with any bit another one (but for a few that mean nothing, before the checksum),
 * and with bytes behind its end. */
static void test_backup_read_finds_damage(void **state)
{
    struct buf packed = {0};
    const char *why;
    unsigned unnoticed = 0;
    char keys[64];
    char *bytes;
    size_t n;

    (void)state;
    pack(HEADER KEYS END, strlen(HEADER KEYS END), &packed);
    assert_int_equal(buf_append(&packed, "x", 1), 0);
    bytes = (char *)buf_bytes(&packed);
    n = buf_size(&packed) - 1;
    assert_int_equal(unpack(bytes, n, n, keys, &why), 0);
    assert_int_equal(unpack(bytes, n + 1, n + 1, keys, &why), -EILSEQ);
    assert_int_equal(unpack(bytes, n + 1, n, keys, &why), -EILSEQ);
    for (size_t k = 0; k < n; k++)
        assert_int_equal(unpack(bytes, k, n, keys, &why), -EILSEQ);
    for (size_t bit = 8 * 10; bit < 8 * n; bit++) { /* gzip's own head doesn't matter to it */
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        if (unpack(bytes, n, n, keys, &why) == 0) {
            assert_string_equal(keys, "/a/b/c");
            unnoticed++;
        }
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(unnoticed < 8);
    buf_deinit(&packed);
}

/* A few KB that stand for 64 MB: the first line that is too long ends it. */
static void test_backup_read_of_a_bomb(void **state)
{
    size_t n = 64UL << 20;
    char *text = malloc(n);
    struct buf packed = {0};
    struct backup_read read = {.line_cb = line_cb};

    (void)state;
    assert_non_null(text);
    memset(text, ' ', n);
    pack(text, n, &packed);
    free(text);
    assert_int_equal(backup_read_add(&read, buf_bytes(&packed), buf_size(&packed)), -EILSEQ);
    assert_string_equal(read.problem, "has a line that is too long");
    assert_true(read.text.capacity <= 8UL * DUMP_LINE_MAX);
    backup_read_deinit(&read);
    buf_deinit(&packed);
}

static void test_backup_read_ends_with_its_caller(void **state)
{
    struct buf packed = {0};
    struct backup_read read = {.line_cb = refusing_cb};

    (void)state;
    pack(HEADER KEYS END, strlen(HEADER KEYS END), &packed);
    assert_int_equal(backup_read_add(&read, buf_bytes(&packed), buf_size(&packed)), -ENOSPC);
    assert_null(read.problem);
    backup_read_deinit(&read);
    buf_deinit(&packed);
}

static void test_backup_key_round_trip(void **state)
{
    struct key key;
    uint64_t ms;

    (void)state;
    backup_key_make(0x19ab7f0d2bb, &key);
    assert_int_equal(key.len, strlen("/_mkv/index/019ab7f0d2bb"));
    assert_memory_equal(key.bytes, "/_mkv/index/019ab7f0d2bb", key.len);
    assert_true(backup_key_parse(key.bytes, key.len, &ms));
    assert_true(ms == 0x19ab7f0d2bb);
    assert_true(key_is_reserved(key.bytes, key.len));
    for (size_t n = 0; n < key.len; n++)
        assert_false(backup_key_parse(key.bytes, n, &ms));
    assert_false(backup_key_parse("/_mkv/index/019AB7F0D2BB", key.len, &ms));
    assert_false(backup_key_parse("/_mkv/Index/019ab7f0d2bb", key.len, &ms));
    assert_false(key_is_reserved("/_mkvs", 6));
    assert_true(key_is_reserved("/_mkv", 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backup_read_of_a_whole_one),
        cmocka_unit_test(test_backup_read_wants_a_whole_dump),
        cmocka_unit_test(test_backup_read_finds_damage),
        cmocka_unit_test(test_backup_read_of_a_bomb),
        cmocka_unit_test(test_backup_read_ends_with_its_caller),
        cmocka_unit_test(test_backup_key_round_trip),
    };

    return cmocka_run_group_tests_name("backup_read", tests, NULL, NULL);
}
