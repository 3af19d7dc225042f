#include "tests/unit/test.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/md5.h"
#include "index/cluster/placement.h"
#include "tests/support/rng.h"

#define GENERATION 0x019aa724d47b0001

/* The path without a generation, and with one. */
static void assert_path(const void *key, size_t len, const char *expected)
{
    char path[PLACEMENT_PATH_MAX];
    char with[PLACEMENT_PATH_MAX];

    assert_int_equal(placement_path(key, len, 0, path), strlen(expected));
    assert_string_equal(path, expected);
    snprintf(with, sizeof(with), "%s.019aa724d47b0001", expected);
    assert_int_equal(placement_path(key, len, GENERATION, path), strlen(with));
    assert_string_equal(path, with);
}

/* minikeyvalue's own test values. */
static void test_placement_path_known_values(void **state)
{
    (void)state;
    assert_path("hello", 5, "/5d/41/aGVsbG8=");
    assert_path("helloworld", 10, "/fc/5e/aGVsbG93b3JsZA==");
}

static void test_placement_path_of_a_base64_with_slashes(void **state)
{
    (void)state;
    assert_path("/\xc3\xbf\xc3\xbf.", 6, "/f5/64/L8O/w78u");
    /* "L2E/": the empty component behind the slash. */
    assert_path("/a?", 3, "/fa/8a/L2E/-1");
    /* "L///////": seven empty components in a row make one. */
    assert_path("/\xff\xff\xff\xff\xff", 6, "/a1/f2/L/-7");
}

/* Undoes the cuts and the counts of empty components: what a rebuild will do. */
static void path_to_base64(const char *path, char *out)
{
    const char *name = path + strlen("/HH/HH/");

    for (;;) {
        size_t len = strcspn(name, "/");
        bool cut = len > 0 && name[len - 1] == '.';

        if (name[0] == '-') {
            for (long i = strtol(name + 1, NULL, 10) - 1; i > 0; i--)
                *out++ = '/';
        } else {
            memcpy(out, name, len - cut);
            out += len - cut;
        }
        if (name[len] == '\0')
            break;
        if (!cut)
            *out++ = '/';
        name += len + 1;
    }
    *out = '\0';
}

static void base64(const unsigned char *in, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)in[i] << 16 | (i + 1 < n ? (unsigned)in[i + 1] << 8 : 0) |
                     (i + 2 < n ? (unsigned)in[i + 2] : 0);

        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *out++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *out = '\0';
}

static bool is_generation(const char *text)
{
    return text[0] == '.' && strlen(text) == PLACEMENT_GENERATION &&
           strspn(text + 1, "0123456789abcdef") == PLACEMENT_GENERATION - 1;
}

/* No component is empty, hidden or too long. A directory has a dot at its end or none; so no file
 * whose name ends in a dot and a generation can have the name of one. */
static void check_components(const char *path, bool generation)
{
    for (const char *c = path; *c != '\0';) {
        size_t n = strcspn(c + 1, "/");
        const char *dot = memchr(c + 1, '.', n);

        assert_int_equal(*c, '/');
        assert_true(n >= 1 && n <= 255);
        assert_int_not_equal(c[1], '.');
        if (c[1 + n] == '/')
            assert_true(dot == NULL || dot == c + n);
        else if (generation)
            assert_true(dot != NULL && dot > c + 1 && is_generation(dot));
        else
            assert_null(dot);
        c += 1 + n;
    }
}

/* Whether the originals and their file systems take this name as it is: no component is empty, and
 * none too long, with a generation either. */
static bool is_plain(const char *name)
{
    const char *last = strrchr(name, '/');

    for (const char *c = name;; c += strcspn(c, "/") + 1) {
        size_t n = strcspn(c, "/");

        if (n == 0 || n > PLACEMENT_COMPONENT_MAX)
            return false;
        if (c[n] == '\0')
            break;
    }
    return strlen(last != NULL ? last + 1 : name) <= 255 - PLACEMENT_GENERATION;
}

static void check_parse(const char *path, const unsigned char *key, size_t n, uint64_t generation)
{
    char full[PLACEMENT_FULL_PATH_MAX];
    struct placement_name name;
    size_t len = (size_t)snprintf(full, sizeof(full), "/sv0A%sx", path) - 1;

    assert_true(placement_parse(full + 5, len - 5, &name));
    assert_false(name.has_subvolume);
    assert_int_equal(name.key.len, n);
    assert_memory_equal(name.key.bytes, key, n);
    assert_true(name.generation == generation);
    assert_true(placement_parse(full, len, &name));
    assert_true(name.has_subvolume && name.subvolume == 10);
    assert_int_equal(name.key.len, n);
    assert_memory_equal(name.key.bytes, key, n);
}

static void test_placement_parse_refuses_what_is_no_blobs_path(void **state)
{
    static const char *const paths[] = {
        "",
        "/",
        "/5d/41/",
        "/5d/41/aGVsbG8",       /* no padding */
        "/5d/42/aGVsbG8=",      /* another hash */
        "/5D/41/aGVsbG8=",      /* upper case */
        "/sv0a/5d/41/aGVsbG8=", /* lower case */
        "/sv0A5d/41/aGVsbG8=",
        "/5d/41/aGVsbG9=",                  /* bits that mean nothing */
        "/5d/41/aGVsbG8=.0000000000000000", /* 0 is not written */
        "/5d/41/aGVsbG8=.000000000000001",  /* 15 digits */
        "/5d/41/aGVsbG8=.000000000000000G",
        "/5d/41/.0123456789abcdef",
        "/5d/41/aGVs./bG8=", /* a cut where none is due */
        "/5d/41/aGVsbG8=/-1",
        "/5d/41/aGVsbG8=/",
        "/.mkv/id",
        "/lost+found/x",
    };
    struct placement_name name;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        assert_false(placement_parse(paths[i], strlen(paths[i]), &name));
    assert_true(placement_parse("/5d/41/aGVsbG8=", 15, &name));
}

/* Paths give the base64 back; and where the originals have one, it is the name cut at its last
 * dot. Whether they have one. */
static bool check_path(const unsigned char *key, size_t n)
{
    char plain[PLACEMENT_PATH_MAX];
    char path[PLACEMENT_PATH_MAX];
    char expected[2 * KEY_MAX];
    char seen[2 * PLACEMENT_PATH_MAX];
    char other[PLACEMENT_PATH_MAX];

    size_t n_plain = placement_path(key, n, 0, plain);
    size_t n_path = placement_path(key, n, GENERATION, path);

    assert_int_equal(n_plain, strlen(plain));
    assert_int_equal(n_path, strlen(path));
    check_components(plain, false);
    check_components(path, true);
    assert_int_equal(placement_path(key, n, UINT64_MAX, other), strlen(path));
    assert_memory_equal(other, path, strlen(path) - PLACEMENT_GENERATION);
    assert_string_equal(other + strlen(path) - PLACEMENT_GENERATION, ".ffffffffffffffff");
    *strrchr(path, '.') = '\0';
    base64(key, n, expected);
    path_to_base64(plain, seen);
    assert_string_equal(seen, expected);
    path_to_base64(path, seen);
    assert_string_equal(seen, expected);
    check_parse(plain, key, n, 0);
    *strchr(path, '\0') = '.';
    check_parse(path, key, n, GENERATION);
    *strrchr(path, '.') = '\0';
    if (!is_plain(expected))
        return false;
    assert_string_equal(path, plain);
    assert_string_equal(path + strlen("/HH/HH/"), expected);
    return true;
}

static void test_placement_path_can_be_undone_for_any_key(void **state)
{
    unsigned char key[KEY_MAX];
    unsigned plain = 0;

    (void)state;
    srand(7);
    for (size_t n = 1; n <= KEY_MAX; n++) {
        memset(key, 0xff, n);
        plain += check_path(key, n);
        memset(key, 'a', n);
        plain += check_path(key, n);
        for (size_t i = 0; i < n; i++)
            key[i] = (unsigned char)(rand() % 4 == 0 ? 0xff : rand());
        plain += check_path(key, n);
        for (size_t i = 0; i < n; i++)
            key[i] = (unsigned char)("\xff\xfc\x0f\xc0"[rand() % 4]);
        plain += check_path(key, n);
        for (size_t i = 0; i < n; i++)
            key[i] = (unsigned char)rand();
        plain += check_path(key, n);
    }
    assert_in_range(plain, 300, 5 * KEY_MAX);
}

/* A name of `len` bytes of base64, as the sizes of its pieces. */
static void assert_cut(size_t len, const char *expected)
{
    unsigned char key[KEY_MAX];
    char path[PLACEMENT_PATH_MAX];
    char sizes[64] = "";
    size_t used = 0;

    memset(key, 'a', sizeof(key));
    placement_path(key, len / 4 * 3, GENERATION, path);
    for (const char *c = path + strlen("/HH/HH"); *c != '\0'; c += 1 + strcspn(c + 1, "/"))
        used += (size_t)snprintf(sizes + used, sizeof(sizes) - used, "%zu ", strcspn(c + 1, "/"));
    assert_string_equal(sizes, expected);
}

/* A name that has no room for the generation gives a byte to a piece of its own, at least. */
static void test_placement_path_is_cut_where_the_generation_makes_it_too_long(void **state)
{
    (void)state;
    assert_cut(236, "253 ");
    assert_cut(240, "240 18 ");
    assert_cut(252, "252 18 ");
    assert_cut(256, "255 19 ");
    assert_cut(492, "255 255 ");
    assert_cut(496, "255 242 18 ");
    assert_cut(508, "255 254 18 ");
    assert_cut(512, "255 255 21 ");
}

/* --- Volumes --------------------------------------------------------------------------------- */

static const char *const stooges[] = {"larry", "moe", "curly"};
static const struct placement_list three = {.names = stooges, .n = 3, .subvolumes = 1};

static void test_placement_choose_known_values(void **state)
{
    static const struct {
        const char *key;
        uint32_t volume;
    } cases[] = {{"hello", 0}, {"helloworld", 2}, {"world", 1}, {"blah", 2}};
    const struct placement_list list = {.names = stooges, .n = 3, .subvolumes = 3};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct placement p;

        placement_choose(cases[i].key, strlen(cases[i].key), &list, 1, &p);
        assert_int_equal(p.volume, cases[i].volume);
        assert_true(p.subvolume < 3);
    }
}

static void test_placement_choose_orders_by_score(void **state)
{
    struct placement one;
    struct placement all[3];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        placement_choose(&i, sizeof(i), &three, 1, &one);
        placement_choose(&i, sizeof(i), &three, 3, all);
        assert_int_equal(one.volume, all[0].volume);
        assert_int_equal(all[0].volume + all[1].volume + all[2].volume, 3);
        assert_int_not_equal(all[0].volume, all[1].volume);
        assert_int_equal(all[0].subvolume, 0);
    }
}

static void test_placement_choose_knows_no_scheme(void **state)
{
    static const char *const closed[] = {"https://larry", "moe", "https://curly"};
    const struct placement_list open_list = {.names = stooges, .n = 3, .subvolumes = 256};
    const struct placement_list closed_list = {.names = closed, .n = 3, .subvolumes = 256};
    struct placement before[3];
    struct placement after[3];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        placement_choose(&i, sizeof(i), &open_list, 3, before);
        placement_choose(&i, sizeof(i), &closed_list, 3, after);
        assert_memory_equal(before, after, sizeof(before));
    }
}

static void test_placement_url_has_the_names_scheme(void **state)
{
    const struct place place = {.has_subvolume = true, .subvolume = 10};
    char url[PLACEMENT_URL_MAX];

    (void)state;
    placement_url("disk1:3001", &place, "/5d/41/x", url);
    assert_string_equal(url, "http://disk1:3001/sv0A/5d/41/x");
    placement_url("https://disk1:3001", NULL, "/_mkv/space", url);
    assert_string_equal(url, "https://disk1:3001/_mkv/space");
}

/* A fourth volume takes its share, and nothing moves between the old three. */
static void test_placement_choose_moves_only_to_a_new_volume(void **state)
{
    static const char *const four[] = {"larry", "shemp", "moe", "curly"};
    static const unsigned old_index[] = {0, 9, 1, 2};
    const struct placement_list list = {.names = four, .n = 4, .subvolumes = 1};
    unsigned moved = 0;

    (void)state;
    for (unsigned i = 0; i < 4000; i++) {
        struct placement before;
        struct placement after;

        placement_choose(&i, sizeof(i), &three, 1, &before);
        placement_choose(&i, sizeof(i), &list, 1, &after);
        if (after.volume == 1)
            moved++;
        else
            assert_int_equal(old_index[after.volume], before.volume);
    }
    assert_in_range(moved, 850, 1150);
}

/* --- Zones and weights ----------------------------------------------------------------------- */

#define MANY 96

/* So many volumes, in zones and with weights as a test likes. */
struct many {
    char texts[MANY][32];
    const char *names[MANY];
    uint32_t zones[MANY];
    unsigned weights[MANY];
    struct placement_list list;
};

static void many_init(struct many *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        snprintf(m->texts[i], sizeof(m->texts[i]), "disk%zu:3001", i);
        m->names[i] = m->texts[i];
        m->zones[i] = (uint32_t)i;
        m->weights[i] = 100;
    }
    m->list = (struct placement_list){.names = m->names, .n = n, .subvolumes = 7};
}

struct md5_score {
    unsigned char hash[MD5_SIZE];
    uint32_t volume;
};

static int compare_scores(const void *a, const void *b)
{
    return -memcmp(a, b, MD5_SIZE);
}

/* The order that minikeyvalue has: all volumes by their md5s. */
static void sort_by_md5(const struct many *m, unsigned key, struct md5_score *sorted)
{
    for (uint32_t i = 0; i < m->list.n; i++) {
        char text[4 + 32];
        size_t len = strlen(m->names[i]);

        memcpy(text, &key, 4);
        memcpy(text + 4, m->names[i], len);
        md5_of(text, 4 + len, sorted[i].hash);
        sorted[i].volume = i;
    }
    qsort(sorted, m->list.n, sizeof(*sorted), compare_scores);
}

/* Whatever is said of zones and weights, as long as each zone has one volume, or one has all, and
 * the weights are the same. */
static void test_placement_choose_keeps_the_order_of_md5s(void **state)
{
    struct many m;
    static const uint32_t one_zone[MANY];
    struct md5_score sorted[MANY];

    (void)state;
    many_init(&m, MANY);
    for (unsigned key = 0; key < 200; key++) {
        sort_by_md5(&m, key, sorted);
        for (unsigned i = 0; i < 8; i++) {
            struct placement p[PLACES_MAX];

            m.list.zones = i & 1 ? m.zones : i & 4 ? one_zone : NULL;
            m.list.weights = i & 2 ? m.weights : NULL;
            placement_choose(&key, sizeof(key), &m.list, PLACES_MAX, p);
            for (unsigned j = 0; j < PLACES_MAX; j++) {
                const unsigned char *last = sorted[j].hash + 12;

                assert_int_equal(p[j].volume, sorted[j].volume);
                assert_int_equal(
                    p[j].subvolume,
                    ((uint32_t)last[0] << 24 | last[1] << 16 | last[2] << 8 | last[3]) % 7);
            }
        }
    }
}

/* The same by its definition: turn after turn, the best that has so many better ones in its zone.
 */
static void assert_turns(const struct many *m, const struct md5_score *sorted,
                         const struct placement *p, size_t count)
{
    size_t n = 0;

    for (unsigned turn = 0; n < count; turn++) {
        unsigned seen[MANY] = {0};

        assert_true(turn < m->list.n);
        for (size_t i = 0; i < m->list.n && n < count; i++) {
            if (seen[m->zones[sorted[i].volume]]++ == turn)
                assert_int_equal(p[n++].volume, sorted[i].volume);
        }
    }
}

static void test_placement_choose_goes_round_the_zones(void **state)
{
    struct rng rng = {.state = 4711};
    struct md5_score sorted[MANY];
    struct many m;

    (void)state;
    for (unsigned key = 0; key < 20000; key++) {
        size_t n = 1 + rng_below(&rng, MANY);
        size_t count = 1 + rng_below(&rng, n < PLACES_MAX ? n : PLACES_MAX);
        size_t zones = 1 + rng_below(&rng, 1 + rng_below(&rng, n));
        struct placement p[PLACES_MAX];

        many_init(&m, n);
        for (size_t i = 0; i < n; i++) /* the first zones are the larger ones */
            m.zones[i] = (uint32_t)rng_below(&rng, 1 + rng_below(&rng, zones));
        m.list.zones = m.zones;
        sort_by_md5(&m, key, sorted);
        placement_choose(&key, sizeof(key), &m.list, count, p);
        assert_turns(&m, sorted, p, count);
    }
}

/* Twelve disks on each of eight hosts. */
static void test_placement_choose_shares_no_zone_that_it_need_not(void **state)
{
    struct many m;

    (void)state;
    many_init(&m, MANY);
    m.list.zones = m.zones;
    for (unsigned i = 0; i < MANY; i++)
        m.zones[i] = i / 12;
    for (unsigned key = 0; key < 1000; key++) {
        unsigned in_zone[8] = {0};
        struct placement p[PLACES_MAX];

        placement_choose(&key, sizeof(key), &m.list, PLACES_MAX, p);
        for (unsigned i = 0; i < PLACES_MAX; i++)
            assert_int_equal(in_zone[p[i].volume / 12]++, i / 8);
    }
}

static void assert_share(unsigned count, unsigned all, double share)
{
    double got = (double)count / all;

    if (got < share - 0.02 || got > share + 0.02)
        fail_msg("a share of %.3f, where %.3f is due", got, share);
}

#define KEYS 60000

static void test_placement_choose_gives_each_weight_its_share(void **state)
{
    unsigned counts[3] = {0};
    struct many m;

    (void)state;
    many_init(&m, 3);
    m.list.weights = m.weights;
    for (unsigned i = 0; i < 3; i++)
        m.weights[i] = 1 + i;
    for (unsigned key = 0; key < KEYS; key++) {
        struct placement p;

        placement_choose(&key, sizeof(key), &m.list, 1, &p);
        counts[p.volume]++;
    }
    for (unsigned i = 0; i < 3; i++)
        assert_share(counts[i], KEYS, (1 + i) / 6.0);
}

/* Another weight of a volume moves keys to it, or from it, and none between the others; also where
 * all weighed the same before. */
static void test_placement_choose_moves_by_a_weight(void **state)
{
    static const unsigned weights[] = {100, 150, 50, 1000, 1, 100};
    struct many before;
    struct many after;

    (void)state;
    many_init(&before, 12);
    many_init(&after, 12);
    after.list.weights = after.weights;
    for (unsigned i = 1; i < COUNT_OF(weights); i++) {
        unsigned gained = 0;
        unsigned lost = 0;

        before.weights[5] = weights[i - 1];
        before.list.weights = weights[i - 1] != 100 ? before.weights : NULL;
        after.weights[5] = weights[i];
        for (unsigned key = 0; key < 5000; key++) {
            struct placement a;
            struct placement b;

            placement_choose(&key, sizeof(key), &before.list, 1, &a);
            placement_choose(&key, sizeof(key), &after.list, 1, &b);
            if (a.volume == b.volume)
                continue;
            assert_true(a.volume == 5 || b.volume == 5);
            gained += b.volume == 5;
            lost += a.volume == 5;
        }
        assert_true(weights[i] > weights[i - 1] ? gained > 0 && lost == 0
                                                : lost > 0 && gained == 0);
    }
}

/* Weights bend the order within zones and among them, and nothing else. */
static void test_placement_choose_has_zones_and_weights(void **state)
{
    unsigned first[MANY] = {0};
    unsigned all = 0;
    struct many m;

    (void)state;
    many_init(&m, 4);
    m.list.zones = m.zones;
    m.list.weights = m.weights;
    for (unsigned i = 0; i < 4; i++) {
        m.zones[i] = i / 2;
        m.weights[i] = i % 2 == 0 ? 100 : 300;
    }
    for (unsigned key = 0; key < KEYS; key++) {
        struct placement p[2];

        placement_choose(&key, sizeof(key), &m.list, 2, p);
        assert_int_not_equal(p[0].volume / 2, p[1].volume / 2);
        first[p[0].volume]++;
        first[p[1].volume]++;
        all += 2;
    }
    for (unsigned i = 0; i < 4; i++)
        assert_share(first[i], all, i % 2 == 0 ? 0.125 : 0.375);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_placement_path_known_values),
        cmocka_unit_test(test_placement_path_of_a_base64_with_slashes),
        cmocka_unit_test(test_placement_path_can_be_undone_for_any_key),
        cmocka_unit_test(test_placement_path_is_cut_where_the_generation_makes_it_too_long),
        cmocka_unit_test(test_placement_parse_refuses_what_is_no_blobs_path),
        cmocka_unit_test(test_placement_choose_known_values),
        cmocka_unit_test(test_placement_choose_orders_by_score),
        cmocka_unit_test(test_placement_choose_moves_only_to_a_new_volume),
        cmocka_unit_test(test_placement_choose_keeps_the_order_of_md5s),
        cmocka_unit_test(test_placement_choose_goes_round_the_zones),
        cmocka_unit_test(test_placement_choose_shares_no_zone_that_it_need_not),
        cmocka_unit_test(test_placement_choose_gives_each_weight_its_share),
        cmocka_unit_test(test_placement_choose_moves_by_a_weight),
        cmocka_unit_test(test_placement_choose_knows_no_scheme),
        cmocka_unit_test(test_placement_url_has_the_names_scheme),
        cmocka_unit_test(test_placement_choose_has_zones_and_weights),
    };

    return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
