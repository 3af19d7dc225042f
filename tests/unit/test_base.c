#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/base/address.h"
#include "index/base/base64.h"
#include "index/base/buf.h"
#include "index/base/clock.h"
#include "index/base/crc32c.h"
#include "index/base/hex.h"
#include "index/base/http_date.h"
#include "index/base/local_socket.h"
#include "index/base/lockfile.h"
#include "index/base/log_limit.h"
#include "index/base/md5.h"
#include "index/base/percent.h"
#include "index/base/sha256.h"
#include "index/base/text.h"
#include "index/base/volume_name.h"

static void test_address_parse_accepts_what_users_write(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        unsigned port;
    } cases[] = {
        {"3001", "", 3001},
        {":3001", "", 3001},
        {"localhost:3001", "localhost", 3001},
        {"10.0.0.1:65535", "10.0.0.1", 65535},
        {"disk-1.lan:1", "disk-1.lan", 1},
        {"[::1]:3001", "::1", 3001},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct address a;

        assert_int_equal(address_parse(cases[i].text, true, &a), 0);
        assert_string_equal(a.host, cases[i].host);
        assert_int_equal(a.port, cases[i].port);
    }
}

static void test_address_parse_refuses_the_rest(void **state)
{
    static const char *const cases[] = {
        "",         "0",     "65536", "99999999999", "-1",       "+1",
        "1 ",       "a:",    "a:b",   "a:0",         "a b:1",    "a;b:1",
        "$host:1",  "a\n:1", "[]:1",  "[::1",        "::1:3001", "[nonsense]:1",
        "[::1]x:1", "-a:1",  "a/b:1", "a{:1",        "\"a\":1",  "http://a:1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct address a = {.host = "kept", .port = 7};

        if (address_parse(cases[i], true, &a) != -EINVAL)
            fail_msg("accepted '%s'", cases[i]);
        assert_string_equal(a.host, "kept");
        assert_int_equal(a.port, 7);
    }
}

static void test_address_parse_without_a_host_where_one_is_needed(void **state)
{
    struct address a;

    (void)state;
    assert_int_equal(address_parse("3001", false, &a), -EINVAL);
    assert_int_equal(address_parse(":3001", false, &a), -EINVAL);
}

static void test_address_is_no_domain(void **state)
{
    static const char *const good[] = {"localhost", "LOCALHOST:80", "127.0.0.1",    "10.0.0.1:9000",
                                       "[::1]",     "[::1]:65535",  "[fe80::1]:80", "0.0.0.0"};
    static const char *const bad[] = {
        "",
        "evil.example",
        "localhost.evil.example",
        "localhost.",
        "localhost:",
        "::1",
        "[::1",
        "[::1]x",
        "[::1]:",
        "127.0.0.1:99999",
        "127.0.0.1x",
        "1.2.3",
        "[127.0.0.1]",
        "[localhost]",
        "a@localhost",
        "0x7f.1",
        "localhost:1:2",
        " localhost",
        "127.1",
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222:3333]"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        if (!address_is_no_domain(good[i]))
            fail_msg("%s", good[i]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (address_is_no_domain(bad[i]))
            fail_msg("%s", bad[i]);
    }
}

static void test_address_format_round_trip(void **state)
{
    static const char *const cases[] = {"3001", "localhost:3001", "[fe80::1]:80"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[ADDRESS_TEXT_MAX];
        struct address a;

        assert_int_equal(address_parse(cases[i], true, &a), 0);
        address_format(&a, text);
        assert_string_equal(text, cases[i]);
    }
}

/* RFC 4648, section 10. */
static void test_base64_known_values_and_refusals(void **state)
{
    static const char *const bad[] = {
        "Zg=", "Zg", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9-"};
    static const char *const good[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                       "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    unsigned char bytes[8];
    char text[9];
    size_t n;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        text[base64_encode("foobar", i, text)] = '\0';
        assert_string_equal(text, good[i]);
        assert_int_equal(base64_decode(text, strlen(text), bytes, &n), 0);
        assert_int_equal(n, i);
        assert_memory_equal(bytes, "foobar", i);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(base64_decode(bad[i], strlen(bad[i]), bytes, &n), -EINVAL);
}

static void test_buf_append_and_consume(void **state)
{
    struct buf b = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_append_format(&b, "%04d", i), 0);
    assert_int_equal(buf_size(&b), 4000);
    buf_consume(&b, 3996);
    assert_memory_equal(buf_bytes(&b), "0999", 4);
    assert_int_equal(buf_append_string(&b, "x"), 0);
    assert_memory_equal(buf_bytes(&b), "0999x", 5);
    buf_consume(&b, 5);
    assert_int_equal(buf_size(&b), 0);
    assert_int_equal(b.head, 0);
    buf_deinit(&b);
}

static void test_buf_reserve_refuses_a_size_that_overflows(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_int_equal(buf_append_string(&b, "kept"), 0);
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 2), -ENOMEM);
    assert_memory_equal(buf_bytes(&b), "kept", 4);
    buf_deinit(&b);
}

static void test_crc32c_known_values(void **state)
{
    unsigned char zeros[32] = {0};

    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa); /* RFC 3720, B.4 */
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

static void test_lockfile_second_holder_is_told_the_first(void **state)
{
    char path[] = "/tmp/mkv-test-lock-XXXXXX";
    pid_t holder = -1;
    int first;
    int second = -1;

    (void)state;
    close(mkstemp(path));
    assert_int_equal(lockfile_acquire(path, &first, &holder), 0);
    assert_int_equal(lockfile_acquire(path, &second, &holder), -EWOULDBLOCK);
    assert_int_equal(holder, getpid());
    assert_int_equal(second, -1);
    lockfile_release(first);
    assert_int_equal(lockfile_acquire(path, &second, &holder), 0);
    lockfile_release(second);
    unlink(path);
}

static void test_hex_round_trip_and_refusals(void **state)
{
    static const char *const bad[] = {"", "00ff1", "00ff100", "00FF10", "00fg10", "00 f10"};
    const unsigned char bytes[] = {0x00, 0xff, 0x10};
    unsigned char again[3];
    char text[7];

    (void)state;
    hex_write(bytes, sizeof(bytes), text);
    assert_string_equal(text, "00ff10");
    assert_true(hex_read(text, again, sizeof(again)));
    assert_memory_equal(again, bytes, sizeof(bytes));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(hex_read(bad[i], again, sizeof(again)));
}

/* Its mode is looked at before anything else could have changed it. */
static void test_local_socket_bind_is_private_and_replaces(void **state)
{
    char path[] = "/tmp/mkv-test-XXXXXX";
    struct stat st;
    mode_t mask = umask(0);
    int directory;
    int server;
    int client;

    (void)state;
    assert_non_null(mkdtemp(path));
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(local_socket_connect(directory, "s"), -ENOENT);
    server = local_socket_bind(directory, "s");
    assert_true(server >= 0);
    assert_int_equal(fstatat(directory, "s", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_mode, S_IFSOCK | 0600);
    assert_int_equal(local_socket_connect(directory, "s"), -ECONNREFUSED);
    close(server);
    server = local_socket_bind(directory, "s");
    assert_int_equal(listen(server, 1), 0);
    client = local_socket_connect(directory, "s");
    assert_true(client >= 0);
    close(client);
    close(server);
    unlinkat(directory, "s", 0);
    close(directory);
    rmdir(path);
    umask(mask);
}

static bool passes(struct log_limit *limit, const char *line, bool numbers_differ, uint64_t now,
                   unsigned wanted_held)
{
    unsigned held = 0;

    if (!log_limit_passes(limit, line, strlen(line), numbers_differ, now, &held))
        return false;
    assert_int_equal(held, wanted_held);
    return true;
}

static void test_log_limit_one_of_a_kind_a_minute(void **state)
{
    struct log_limit limit = {.kinds = {{.used = false}}};
    char line[32];

    (void)state;
    assert_true(passes(&limit, "*7 open() \"/a/1\" failed (30: Read-only)", true, 5, 0));
    assert_false(passes(&limit, "*8123 open() \"/b\" failed (30: Read-only)", true, 6, 0));
    assert_true(passes(&limit, "*8 open() \"/b\" failed (2: No such file)", true, 7, 0));
    assert_false(passes(&limit, "*9 open() \"\" failed (30: Read-only)", true, 60004, 0));
    assert_true(passes(&limit, "*10 open() \"/c\" failed (30: Read-only)", true, 60005, 2));
    assert_false(passes(&limit, "*11 open() \"/c\" failed (30: Read-only)", true, 60006, 0));
    /* Volumes differ in their numbers alone. */
    assert_true(passes(&limit, "volume a:3001 is down", false, 60007, 0));
    assert_true(passes(&limit, "volume a:3002 is down", false, 60007, 0));
    assert_false(passes(&limit, "volume a:3001 is down", false, 60008, 0));
    /* The oldest kind is forgotten where there are too many. */
    for (int i = 0; i < LOG_LIMIT_KINDS; i++) {
        snprintf(line, sizeof(line), "%d", i);
        assert_true(passes(&limit, line, false, 60010, 0));
    }
    assert_true(passes(&limit, "volume a:3001 is down", false, 60011, 0));
    assert_false(passes(&limit, line, false, 60011, 0));
}

static void test_lockfile_of_a_file_that_is_there(void **state)
{
    char path[] = "/tmp/mkv-lock-XXXXXX";
    int fd = mkstemp(path);
    pid_t dead = fork();
    pid_t holder = -1;
    int first;
    int second;

    (void)state;
    if (dead == 0)
        _exit(0);
    assert_int_equal(waitpid(dead, NULL, 0), dead);
    assert_true(dprintf(fd, "%ld\n", (long)dead) > 0);
    assert_int_equal(lockfile_acquire_read_only(path, &first, &holder), 0);
    assert_int_equal(lockfile_acquire_read_only(path, &second, &holder), -EWOULDBLOCK);
    assert_int_equal(holder, dead); /* as the last one that could write left it */
    assert_true(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    assert_true(dprintf(fd, "%ld\n", (long)getppid()) > 0);
    close(fd);
    assert_int_equal(lockfile_acquire_read_only(path, &second, &holder), -EWOULDBLOCK);
    assert_int_equal(holder, getppid());
    assert_int_equal(lockfile_acquire(path, &second, &holder), -EWOULDBLOCK);
    lockfile_release(first);
    unlink(path);
    assert_int_equal(lockfile_acquire_read_only(path, &first, &holder), -ENOENT);
}

static void test_lockfile_share_leaves_the_file_alone(void **state)
{
    char path[] = "/tmp/mkv-test-lock-XXXXXX";
    pid_t holder = -1;
    int fds[3] = {-1, -1, -1};
    struct stat st;

    (void)state;
    close(mkstemp(path));
    assert_int_equal(lockfile_acquire(path, &fds[0], &holder), 0);
    assert_int_equal(lockfile_share(path, &fds[1], &holder), -EWOULDBLOCK);
    assert_int_equal(holder, getpid());
    lockfile_release(fds[0]);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(lockfile_share(path, &fds[0], &holder), 0);
    assert_int_equal(lockfile_share(path, &fds[1], &holder), 0);
    assert_int_equal(lockfile_acquire(path, &fds[2], &holder), -EWOULDBLOCK);
    assert_int_equal(holder, 0);
    assert_true(stat(path, &st) == 0 && st.st_size == 0);
    lockfile_release(fds[0]);
    lockfile_release(fds[1]);
    unlink(path);
    assert_int_equal(lockfile_share(path, &fds[0], &holder), -ENOENT);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_clock_ms_has_bounds(void **state)
{
    static const struct {
        struct timespec time;
        uint64_t ms;
    } cases[] = {
        {{0, 0}, 0},
        {{1763740800, 123999999}, 1763740800123},
        {{-1, 999999999}, 0},
        {{-5000000000, 0}, 0},
        {{INT64_MIN, 0}, 0},
        {{253402300799, 999999999}, CLOCK_MS_MAX},
        {{253402300800, 0}, CLOCK_MS_MAX},
        {{INT64_MAX, 999999999}, CLOCK_MS_MAX},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_true(clock_ms(&cases[i].time) == cases[i].ms);
}

/* Common parts and suffixes that end before, at and after the edges of blocks. */
static void test_md5_finish_each_is_the_md5_of_each(void **state)
{
    static char text[1024 + MD5_SUFFIX_MAX + 1];
    const char *suffixes[20];
    unsigned char hashes[20][MD5_SIZE];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(text); i++)
        text[i] = (char)('!' + i * i % 90);
    for (size_t common = 0; common <= 1024; common += common < 200 ? 1 : 103) {
        size_t n = 1 + common % COUNT_OF(suffixes);
        struct md5 md5;

        md5_begin(&md5);
        md5_add(&md5, text, common);
        for (size_t i = 0; i < n; i++)
            suffixes[i] = text + sizeof(text) - 1 - (common * 7 + i * 27) % (MD5_SUFFIX_MAX + 1);
        md5_finish_each(&md5, suffixes, n, hashes);
        for (size_t i = 0; i < n; i++) {
            unsigned char hash[MD5_SIZE];
            struct md5 one = md5;

            md5_add(&one, suffixes[i], strlen(suffixes[i]));
            md5_finish(&one, hash);
            assert_memory_equal(hashes[i], hash, MD5_SIZE);
        }
    }
}

/* FIPS 180-4's examples. */
static void test_sha256_known_values(void **state)
{
    char digits[SHA256_HEX_SIZE];

    (void)state;
    sha256_hex("abc", 3, digits);
    assert_string_equal(digits, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex(NULL, 0, digits);
    assert_string_equal(digits, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, cases 2 and 6, whose key is longer than a block. */
static void test_sha256_hmac_known_values(void **state)
{
    static const char longest[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    unsigned char bytes[131];
    unsigned char mac[SHA256_SIZE];
    char digits[SHA256_HEX_SIZE];

    (void)state;
    sha256_hmac("Jefe", 4, "what do ya want for nothing?", 28, mac);
    hex_write(mac, sizeof(mac), digits);
    assert_string_equal(digits, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(bytes, 0xaa, sizeof(bytes));
    memset(mac, 0xdd, sizeof(mac));
    sha256_hmac(bytes, sizeof(bytes), longest, strlen(longest), mac);
    hex_write(mac, sizeof(mac), digits);
    assert_string_equal(digits, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* The key may be where the code goes. */
static void test_sha256_hmac_in_place(void **state)
{
    unsigned char key[SHA256_SIZE] = "a key";
    unsigned char mac[SHA256_SIZE];

    (void)state;
    sha256_hmac(key, sizeof(key), "text", 4, mac);
    sha256_hmac(key, sizeof(key), "text", 4, key);
    assert_memory_equal(key, mac, sizeof(mac));
}

static void test_http_date_parse_reads_what_format_writes(void **state)
{
    static const uint64_t times[] = {0, 784111777, 1709208000, 253402300799};
    static const char *const bad[] = {"", "yesterday", "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 31 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 08:49:37 GMT!"};
    int64_t seconds = -1;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        char text[HTTP_DATE_SIZE];

        http_date_format(times[i], text);
        assert_int_equal(http_date_parse(text, &seconds), 0);
        assert_int_equal(seconds, times[i]);
    }
    assert_int_equal(http_date_parse("Sunday, 06-Nov-94 08:49:37 GMT", &seconds), 0);
    assert_int_equal(seconds, 784111777);
    assert_int_equal(http_date_parse("Sun Nov  6 08:49:37 1994", &seconds), 0);
    assert_int_equal(seconds, 784111777);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(http_date_parse(bad[i], &seconds), -EINVAL);
}

static void test_percent_decode_into_room_or_in_place(void **state)
{
    char text[] = "a%2Fb+%C3%A4%";
    char out[6];
    size_t n = 99;

    (void)state;
    assert_int_equal(percent_decode(text, sizeof(text) - 1, out, sizeof(out), &n), -EINVAL);
    assert_int_equal(percent_decode("%00", 3, out, sizeof(out), &n), -EINVAL);
    assert_int_equal(percent_decode("\0", 1, out, sizeof(out), &n), -EINVAL);
    assert_int_equal(percent_decode("%2", 2, out, sizeof(out), &n), -EINVAL);
    assert_int_equal(percent_decode("1234567", 7, out, sizeof(out), &n), -EMSGSIZE);
    assert_int_equal(n, 99);
    assert_int_equal(percent_decode(text, sizeof(text) - 2, out, sizeof(out), &n), 0);
    assert_int_equal(n, 6);
    assert_memory_equal(out, "a/b+\xc3\xa4", 6);
    assert_int_equal(percent_decode(text, sizeof(text) - 2, text, sizeof(text) - 2, &n), 0);
    assert_int_equal(n, 6);
    assert_memory_equal(text, "a/b+\xc3\xa4", 6);
}

static void test_text_is_utf8_to_the_last_byte(void **state)
{
    (void)state;
    assert_true(text_is_utf8("", 0));
    assert_true(text_is_utf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 10));
    assert_false(text_is_utf8("a\xc3\xa4", 2));
    assert_false(text_is_utf8("a\xff", 2));
    assert_false(text_is_utf8("\xc0\x80", 2));
    assert_false(text_is_utf8("\xed\xa0\x80", 3));
}

static bool meet(const char *a, const char *b)
{
    return volume_names_meet(a, strlen(a), b, strlen(b));
}

static void test_volume_name_parse_takes_one_scheme(void **state)
{
    static const char *const refused[] = {
        "http://a:1", "HTTPS://a:1", "https:a:1",    "https:///a:1",
        "https://",   "https://a",   "https://a:1/", "https://https://a:1",
        "ftp://a:1",  "3001",        "https://3001",
    };
    struct address a;

    (void)state;
    assert_int_equal(volume_name_parse("disk1:3001", &a), 0);
    assert_string_equal(a.host, "disk1");
    assert_int_equal(volume_name_parse("https://disk2:3002", &a), 0);
    assert_string_equal(a.host, "disk2");
    assert_int_equal(a.port, 3002);
    assert_int_equal(volume_name_parse("https://[::1]:3001", &a), 0);
    assert_string_equal(a.host, "::1");
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        assert_int_equal(volume_name_parse(refused[i], &a), -EINVAL);
    assert_string_equal(a.host, "::1");
}

static void test_volume_name_says_how_to_ask(void **state)
{
    (void)state;
    assert_true(volume_name_has_tls("https://a:1"));
    assert_false(volume_name_has_tls("https:1"));
    assert_string_equal(volume_name_scheme("a:1"), "http://");
    assert_string_equal(volume_name_scheme("https://a:1"), "");
    assert_string_equal(volume_name_address("https://a:1"), "a:1");
    assert_string_equal(volume_name_address("a:1"), "a:1");
}

static void test_volume_names_meet_whatever_the_scheme(void **state)
{
    (void)state;
    assert_true(meet("a:1", "https://A:1"));
    assert_true(meet("https://a:1", "https://a:1"));
    assert_false(meet("a:1", "https://a:2"));
    assert_false(meet("a:1", "a:11"));
    assert_true(volume_names_meet("https://a:1 id", 11, "a:1", 3));
    assert_false(volume_names_meet("https://", 7, "", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_parse_accepts_what_users_write),
        cmocka_unit_test(test_address_parse_refuses_the_rest),
        cmocka_unit_test(test_address_parse_without_a_host_where_one_is_needed),
        cmocka_unit_test(test_address_format_round_trip),
        cmocka_unit_test(test_address_is_no_domain),
        cmocka_unit_test(test_base64_known_values_and_refusals),
        cmocka_unit_test(test_buf_append_and_consume),
        cmocka_unit_test(test_buf_reserve_refuses_a_size_that_overflows),
        cmocka_unit_test(test_crc32c_known_values),
        cmocka_unit_test(test_hex_round_trip_and_refusals),
        cmocka_unit_test(test_local_socket_bind_is_private_and_replaces),
        cmocka_unit_test(test_lockfile_share_leaves_the_file_alone),
        cmocka_unit_test(test_clock_ms_has_bounds),
        cmocka_unit_test(test_lockfile_second_holder_is_told_the_first),
        cmocka_unit_test(test_lockfile_of_a_file_that_is_there),
        cmocka_unit_test(test_log_limit_one_of_a_kind_a_minute),
        cmocka_unit_test(test_md5_finish_each_is_the_md5_of_each),
        cmocka_unit_test(test_sha256_known_values),
        cmocka_unit_test(test_percent_decode_into_room_or_in_place),
        cmocka_unit_test(test_text_is_utf8_to_the_last_byte),
        cmocka_unit_test(test_volume_name_parse_takes_one_scheme),
        cmocka_unit_test(test_volume_name_says_how_to_ask),
        cmocka_unit_test(test_volume_names_meet_whatever_the_scheme),
        cmocka_unit_test(test_sha256_hmac_known_values),
        cmocka_unit_test(test_sha256_hmac_in_place),
        cmocka_unit_test(test_http_date_parse_reads_what_format_writes),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
