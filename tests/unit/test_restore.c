/* dump_fill() and restore_run(), on stores on disk. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/io.h"
#include "index/base/lines.h"
#include "index/maintenance/dump.h"
#include "index/maintenance/restore.h"
#include "tests/support/storebox.h"

#define HEAD    "{\"format\":\"mkv-dump\",\"version\":2}\n"
#define REST    "\"size\":5,\"time\":7,\"volumes\":[\"a:1\"]}\n"
#define KEY(k)  "{\"key\":\"" k "\"," REST
#define GONE(k) "{\"orphan\":\"" k "\",\"volumes\":[\"a:1\"]}\n"
#define GENERATION(k, g)                                                                           \
    "{\"orphan\":\"" k "\",\"generation\":\"000000000000000" g                                     \
    "\",\"until\":9,\"volumes\":[\"a:1\"]}\n"
#define END(n)  "{\"end\":true,\"keys\":" #n ",\"unlinked\":0,\"orphans\":0}\n"
#define ENDS(n) "{\"end\":true,\"keys\":0,\"unlinked\":0,\"orphans\":" #n "}\n"
#define ONE     HEAD KEY("/one") END(1)
#define MANY    10000

struct fixture {
    struct storebox box;
    struct buf out;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    storebox_init(&f->box, NULL, &(struct gdbm_engine_options){.sync = false});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    storebox_deinit(&f->box);
    buf_deinit(&f->out);
    free(f);
    return 0;
}

/* The dump of the box's store, terminated, valid until the next one. At most `bytes`, and a line,
 * are asked for at once. */
static const char *dump(struct fixture *f, size_t bytes)
{
    bool opened = f->box.store == NULL;
    struct dump d = {.store = NULL};
    struct buf piece = {0};
    int rc = 1;

    if (opened)
        assert_int_equal(storebox_open(&f->box), 0);
    d.store = f->box.store;
    buf_clear(&f->out);
    while (rc > 0) {
        buf_clear(&piece);
        rc = dump_fill(&d, &piece, bytes);
        assert_in_range(buf_size(&piece), 1, bytes + DUMP_LINE_MAX);
        assert_int_equal(buf_append(&f->out, buf_bytes(&piece), buf_size(&piece)), 0);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(buf_append(&f->out, "", 1), 0);
    buf_deinit(&piece);
    if (opened)
        storebox_close(&f->box);
    return buf_bytes(&f->out);
}

/* Restores `text` over the box's closed store. */
static int restore(struct fixture *f, const char *text, bool replace, bool skip_orphans)
{
    struct dump_counts counts;
    char path[] = "/tmp/mkv-test-XXXXXX";
    int fd = mkstemp(path);
    const struct restore_options options = {
        .directory = f->box.dir,
        .name = "the dump",
        .input = fd,
        .replace = replace,
        .skip_orphans = skip_orphans,
    };
    int rc;

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    rc = restore_run(&options, &counts);
    close(fd);
    return rc;
}

static void path_of(const struct fixture *f, const char *name, char path[256])
{
    snprintf(path, 256, "%s/%s", f->box.dir, name);
}

static bool exists(const struct fixture *f, const char *name)
{
    char path[256];

    path_of(f, name, path);
    return access(path, F_OK) == 0;
}

/* Fills the store with keys of all kinds. */
static void fill(struct fixture *f)
{
    uint32_t ids[3];

    assert_int_equal(storebox_open(&f->box), 0);
    for (unsigned i = 0; i < 3; i++) {
        char name[16];

        snprintf(name, sizeof(name), "disk%u.lan:1", 2 - i);
        assert_int_equal(gdbm_engine_volume_id(f->box.store, name, &ids[i]), 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        struct record record = {.size = i, .time = 7 * i, .flags = i % 4, .n_places = 1 + i % 2};
        struct orphan orphan = {.until = i % 7 == 0 ? 0 : 7 * i,
                                .time = i % 3 == 0 ? 0 : 9 * i,
                                .n_places = record.n_places};
        bool is_orphan = i % 5 == 0;
        struct store_change change = {
            .space = is_orphan ? STORE_ORPHANS : STORE_KEYS,
            .record = is_orphan ? NULL : &record,
            .generation = i % 3 == 0 ? 0 : 1000 - i % 3,
            .orphan = is_orphan ? &orphan : NULL,
        };
        char key[32];

        record.generation = i % 3 == 0 ? 0 : i;
        record.placed_by = i % 3 == 0 ? 0 : i * 31;

        record.places[0] = (struct place){.volume = ids[i % 3]};
        record.places[1] = (struct place){ids[(i + 1) % 3], true, i % 256};
        memcpy(orphan.places, record.places, sizeof(record.places));
        memset(record.md5, (int)(i % 251), sizeof(record.md5));
        if (!(record.flags & RECORD_MD5))
            memset(record.md5, 0, sizeof(record.md5));
        change.len = (size_t)snprintf(key, sizeof(key), "/%u%c", i * 7919, 'a' + (int)(i % 150));
        change.key = key;
        if (i % 100 != 0) { /* the others wait for their commit */
            struct store_change two[] = {change, change};
            char other[33];

            snprintf(other, sizeof(other), "%s!", key);
            two[1].key = other;
            two[1].len++;
            if (is_orphan && i % 20 == 0) { /* one more of this key */
                two[1] = change;
                two[1].generation++;
            }
            assert_int_equal(storebox_commit(&f->box, two, i % 50 == 0 ? 2 : 1), 0);
        }
        if (i == MANY / 2)
            assert_int_equal(storebox_checkpoint(&f->box), 0);
    }
    storebox_close(&f->box);
}

/* Part in the table, part in the memtable; the dump in small pieces and in large ones. */
static void test_restore_of_a_dump_dumps_the_same(void **state)
{
    struct fixture *f = *state;
    char *first;

    fill(f);
    first = strdup(dump(f, 1000));
    assert_string_equal(dump(f, 1 << 20), first);
    assert_int_equal(restore(f, first, false, false), UV_EEXIST);
    assert_int_equal(restore(f, ONE, true, false), 0);
    assert_string_equal(dump(f, 1000), ONE);
    assert_int_equal(restore(f, first, true, false), 0);
    assert_string_equal(dump(f, 1000), first);
    assert_false(exists(f, GDBM_ENGINE_STAGE));
    free(first);
}

/* Whatever a clock said, the key's record is dumped and comes back as it was. */
static void test_restore_of_a_dump_with_any_time(void **state)
{
    static const uint64_t times[] = {0, 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    struct fixture *f = *state;
    struct record record = {.n_places = 1};
    char *first;

    assert_int_equal(storebox_open(&f->box), 0);
    assert_int_equal(gdbm_engine_volume_id(f->box.store, "a:1", &record.places[0].volume), 0);
    for (unsigned i = 0; i < COUNT_OF(times); i++) {
        const char key[] = {'/', (char)('a' + i)};

        record.time = times[i];
        assert_int_equal(storebox_put(&f->box, key, 2, &record), 0);
    }
    storebox_close(&f->box);
    first = strdup(dump(f, 1000));
    assert_int_equal(restore(f, first, true, false), 0);
    assert_string_equal(dump(f, 1000), first);
    free(first);
    assert_int_equal(storebox_open(&f->box), 0);
    for (unsigned i = 0; i < COUNT_OF(times); i++) {
        const char key[] = {'/', (char)('a' + i)};

        assert_int_equal(gdbm_engine_get(f->box.store, key, 2, &record), 0);
        assert_true(record.time == times[i]);
    }
}

static void test_restore_refuses_and_leaves_the_index_alone(void **state)
{
    static const char *const cases[] = {
        "",
        "\n",
        HEAD,
        KEY("/a") END(1),
        END(0),
        HEAD HEAD END(0),
        "{\"format\":\"mkv-dump\",\"version\":3}\n" END(0),
        HEAD KEY("/a"),
        HEAD KEY("/a") END(0),
        HEAD KEY("/a") END(2),
        HEAD KEY("/a") ENDS(1),
        HEAD GONE("/a") END(1),
        HEAD KEY("/a") KEY("/a") END(2),
        HEAD KEY("/b") KEY("/a") END(2),
        HEAD GONE("/a") GONE("/a") ENDS(2),
        HEAD GONE("/b") GONE("/a") ENDS(2),
        HEAD GENERATION("/a", "2") GENERATION("/a", "1") ENDS(2),
        HEAD GENERATION("/a", "1") GENERATION("/a", "1") ENDS(2),
        HEAD GENERATION("/a", "1") GONE("/a") ENDS(2),
        HEAD GONE("/a") KEY("/b") "{\"end\":true,\"keys\":1,\"unlinked\":0,\"orphans\":1}\n",
        HEAD KEY("/a") "\n" END(1),
        HEAD KEY("/a") END(1) "\n",
        HEAD KEY("/a") END(1) KEY("/b"),
        HEAD KEY("/a") "{\"end\":true,\"keys\":1,\"unlin",
        HEAD "{\"key\":\"/x\"",
    };
    struct fixture *f = *state;

    assert_int_equal(restore(f, ONE, false, false), 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (restore(f, cases[i], true, false) >= 0)
            fail_msg("taken: %s", cases[i]);
        assert_false(exists(f, GDBM_ENGINE_STAGE));
        assert_string_equal(dump(f, 1000), ONE);
    }
}

static void test_restore_without_orphans_still_checks_them(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(restore(f, HEAD GONE("/a") GONE("/a") ENDS(2), false, true), UV_EINVAL);
    assert_int_equal(restore(f, HEAD GONE("/a") GONE("/b") ENDS(2), false, true), 0);
    assert_string_equal(dump(f, 1000), HEAD END(0));
    assert_int_equal(restore(f, HEAD GONE("/a") GONE("/b") ENDS(2), false, false), 0);
    assert_string_equal(dump(f, 1000), HEAD GONE("/a") GONE("/b") ENDS(2));
}

static void test_restore_keeps_generations(void **state)
{
    struct fixture *f = *state;
    struct record record;
    struct orphan orphan;

    assert_int_equal(
        restore(f,
                HEAD "{\"key\":\"/a\",\"size\":5,\"time\":7,\"generation\":\"0000000000000007\","
                     "\"volumes\":[\"a:1\"]}\n" GENERATION("/a", "1") GENERATION("/a", "9")
                         GONE("/b") "{\"end\":true,\"keys\":1,\"unlinked\":0,\"orphans\":3}\n",
                false, false),
        0);
    assert_int_equal(storebox_open(&f->box), 0);
    assert_int_equal(gdbm_engine_get(f->box.store, "/a", 2, &record), 0);
    assert_int_equal(record.generation, 7);
    assert_int_equal(record.placed_by, 0);
    assert_int_equal(gdbm_engine_get_orphan(f->box.store, "/a", 2, 1, &orphan), 0);
    assert_int_equal(gdbm_engine_get_orphan(f->box.store, "/a", 2, 9, &orphan), 0);
    assert_int_equal(orphan.until, 9);
    assert_int_equal(gdbm_engine_get_orphan(f->box.store, "/b", 2, 0, &orphan), 0);
    assert_int_equal(orphan.until, 0);
    assert_int_equal(store_last_generation(f->box.store), 9);
}

/* It is dumped as version 2 then, and an orphan keeps the time of its record. */
static void test_restore_of_version_1_gives_generation_0(void **state)
{
    static const char old[] = "{\"format\":\"mkv-dump\",\"version\":1}\n" KEY(
        "/a") "{\"orphan\":\"/a\"," REST "{\"end\":true,\"keys\":1,\"unlinked\":0,\"orphans\":1}\n";
    struct fixture *f = *state;
    struct record record;
    struct orphan orphan;

    assert_int_equal(restore(f, old, false, false), 0);
    assert_string_equal(dump(f, 1000),
                        HEAD KEY("/a") "{\"orphan\":\"/a\",\"time\":7,\"volumes\":[\"a:1\"]}\n"
                                       "{\"end\":true,\"keys\":1,\"unlinked\":0,\"orphans\":1}\n");
    assert_int_equal(storebox_open(&f->box), 0);
    assert_int_equal(gdbm_engine_get(f->box.store, "/a", 2, &record), 0);
    assert_int_equal(record.generation, 0);
    assert_int_equal(gdbm_engine_get_orphan(f->box.store, "/a", 2, 0, &orphan), 0);
    assert_int_equal(orphan.n_places, 1);
    assert_int_equal(orphan.time, 7);
    assert_int_equal(store_last_generation(f->box.store), 0);
}

static void test_restore_of_an_empty_dump_empties(void **state)
{
    struct fixture *f = *state;

    fill(f);
    assert_int_equal(restore(f, HEAD END(0), true, false), 0);
    assert_string_equal(dump(f, 1000), HEAD END(0));
}

static void test_restore_refuses_a_line_without_end(void **state)
{
    struct fixture *f = *state;
    char *text = malloc(1 << 20);

    memset(text, ' ', 1 << 20);
    text[(1 << 20) - 1] = '\0';
    memcpy(text, HEAD, strlen(HEAD));
    assert_int_equal(restore(f, text, false, false), UV_EINVAL);
    free(text);
}

/* The last byte of a dump may get lost on its way through an editor. */
static void test_restore_takes_a_dump_without_its_last_newline(void **state)
{
    struct fixture *f = *state;
    char text[] = ONE;

    text[strlen(text) - 1] = '\0';
    assert_int_equal(restore(f, text, false, false), 0);
    assert_string_equal(dump(f, 1000), ONE);
}

/* --- Crashes --------------------------------------------------------------------------------- */

/* After the adoption, before the old segments were removed; and the index goes on from there. */
static void test_adopt_makes_old_segments_meaningless(void **state)
{
    struct fixture *f = *state;
    const struct orphan orphan = {.n_places = 1};
    char old[] = "/tmp/mkv-test-XXXXXX";
    char command[600];

    assert_non_null(mkdtemp(old));
    fill(f);
    snprintf(command, sizeof(command), "cp %s/journal.* %s/ && ls %s/journal.*", f->box.dir, old,
             old);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
    assert_int_equal(restore(f, ONE, true, false), 0);
    assert_false(exists(f, "journal.1"));
    snprintf(command, sizeof(command), "cp %s/journal.* %s/ && rm -r %s", old, f->box.dir, old);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
    assert_string_equal(dump(f, 1000), ONE);
    assert_int_equal(storebox_open(&f->box), 0);
    assert_int_equal(storebox_put_orphan(&f->box, "/x", 2, 1, &orphan), 0);
    storebox_close(&f->box);
    assert_non_null(strstr(dump(f, 1000), "\"orphan\":\"/x\""));
    assert_non_null(strstr(dump(f, 1000), "\"key\":\"/one\""));
    for (unsigned i = 0; i < 3; i++) { /* the spare of before must not come back */
        assert_int_equal(storebox_open(&f->box), 0);
        assert_int_equal(storebox_delete_orphan(&f->box, "/x", 2, 1), 0);
        assert_int_equal(storebox_put_orphan(&f->box, i == 2 ? "/y" : "/x", 2, 1, &orphan), 0);
        assert_int_equal(storebox_checkpoint(&f->box), 0);
        storebox_close(&f->box);
    }
    assert_non_null(strstr(dump(f, 1000), "\"orphan\":\"/y\""));
    assert_non_null(strstr(dump(f, 1000), "\"keys\":1,\"unlinked\":0,\"orphans\":1}"));
}

/* Its generation could be that of a table which the adopted one knows nothing of. */
static void test_adopt_forgets_the_spare(void **state)
{
    struct fixture *f = *state;
    const struct record record = {.n_places = 1};
    uint32_t id;

    assert_int_equal(storebox_open(&f->box), 0);
    assert_int_equal(gdbm_engine_volume_id(f->box.store, "a:1", &id), 0);
    for (unsigned i = 0; i < 2; i++) {
        char key[] = {'/', (char)('a' + i)};

        assert_int_equal(storebox_put(&f->box, key, 2, &record), 0);
        assert_int_equal(storebox_checkpoint(&f->box), 0);
    }
    storebox_close(&f->box);
    assert_true(exists(f, "spare.gdbm"));
    assert_int_equal(restore(f, ONE, true, false), 0);
    assert_false(exists(f, "spare.gdbm"));
}

static void test_store_open_removes_a_stage_that_a_crash_left(void **state)
{
    struct fixture *f = *state;
    char copy[256];
    char path[256];

    assert_int_equal(restore(f, ONE, false, false), 0);
    snprintf(copy, sizeof(copy), "%s.copy", f->box.dir);
    storebox_copy_directory(f->box.dir, copy);
    path_of(f, GDBM_ENGINE_STAGE, path);
    assert_int_equal(rename(copy, path), 0);
    assert_string_equal(dump(f, 1000), ONE);
    assert_false(exists(f, GDBM_ENGINE_STAGE));
}

static void test_store_adopt_refuses_another_index(void **state)
{
    struct fixture *f = *state;
    const struct record record = {.n_places = 1};
    char from[256];
    char path[256];

    fill(f);
    path_of(f, GDBM_ENGINE_STAGE, path);
    assert_int_equal(storebox_open(&f->box), 0);
    assert_int_equal(gdbm_engine_adopt(f->box.store), UV_EIO); /* none at all */
    assert_int_equal(mkdir(path, 0700), 0);
    path_of(f, GDBM_ENGINE_STAGE "/index.gdbm", path);
    path_of(f, "index.gdbm", from);
    assert_int_equal(storebox_checkpoint(&f->box), 0);
    assert_int_equal(storebox_put(&f->box, "/new", 4, &record), 0);
    assert_int_equal(link(from, path), 0); /* it lacks the last block */
    assert_int_equal(gdbm_engine_adopt(f->box.store), UV_EINVAL);
    storebox_close(&f->box);
    assert_non_null(strstr(dump(f, 1000), "\"key\":\"/new\""));
}

/* --- Lines ----------------------------------------------------------------------------------- */

static void test_lines_next_gives_each_line_once(void **state)
{
    struct lines lines = {.max = 5};
    const char *line;
    size_t len;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(io_write_all(ends[1], "one\n\n12345\nlast", 15), 0);
    close(ends[1]);
    lines.fd = ends[0];
    for (unsigned i = 0; i < 4; i++) {
        static const char *const wanted[] = {"one", "", "12345", "last"};

        assert_int_equal(lines_next(&lines, &line, &len), 1);
        assert_int_equal(lines.number, i + 1);
        assert_int_equal(len, strlen(wanted[i]));
        assert_memory_equal(line, wanted[i], len);
    }
    assert_int_equal(lines_next(&lines, &line, &len), 0);
    lines_deinit(&lines);
    close(ends[0]);
}

/* More could come: the rest of the line is not waited for. */
static void test_lines_next_bounds_a_line(void **state)
{
    static const char *const cases[] = {"123456\n", "123456", "\n123456\n"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct lines lines = {.max = 5};
        const char *line;
        size_t len;
        int ends[2];
        int rc;

        assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
        assert_int_equal(io_write_all(ends[1], cases[i], strlen(cases[i])), 0);
        lines.fd = ends[0];
        while ((rc = lines_next(&lines, &line, &len)) == 1)
            assert_int_equal(len, 0);
        assert_int_equal(rc, -EMSGSIZE);
        assert_int_equal(lines.number, cases[i][0] == '\n' ? 2 : 1);
        lines_deinit(&lines);
        close(ends[0]);
        close(ends[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_restore_of_a_dump_dumps_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restore_of_a_dump_with_any_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restore_refuses_and_leaves_the_index_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_restore_without_orphans_still_checks_them, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_restore_keeps_generations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restore_of_version_1_gives_generation_0, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_restore_of_an_empty_dump_empties, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restore_refuses_a_line_without_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restore_takes_a_dump_without_its_last_newline, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_adopt_makes_old_segments_meaningless, setup, teardown),
        cmocka_unit_test_setup_teardown(test_adopt_forgets_the_spare, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_open_removes_a_stage_that_a_crash_left, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_store_adopt_refuses_another_index, setup, teardown),
        cmocka_unit_test(test_lines_next_gives_each_line_once),
        cmocka_unit_test(test_lines_next_bounds_a_line),
    };

    return cmocka_run_group_tests_name("restore", tests, NULL, NULL);
}
