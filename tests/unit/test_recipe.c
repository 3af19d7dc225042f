/* What volumes are asked to make, as they read it; and how their answers are read. */
#include "tests/unit/test.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/cluster/assemble_answer.h"
#include "index/cluster/recipe.h"
#include "launcher/volume/assembly_lines.h"

static_assert(RECIPE_SOURCES_MAX <= ASSEMBLY_SOURCES_MAX, "a volume takes what the index sends");

static struct volume volumes[3];

/* A source of which these volumes, as bits, have a copy: each in a subvolume of its own. */
static struct recipe_source source_at(unsigned bits, const char *path)
{
    struct recipe_source source = {.path = path, .size = 10, .offset = 2, .length = 5};

    for (unsigned i = 0; i < 3; i++) {
        if (bits >> i & 1U)
            source.copies[source.n_copies++] = (struct recipe_copy){
                .volume = &volumes[i], .place = {.has_subvolume = true, .subvolume = 10 + i}};
    }
    return source;
}

static void add(struct recipe *recipe, unsigned bits, const char *path)
{
    const struct recipe_source source = source_at(bits, path);

    recipe_add(recipe, &source);
}

static void parse(struct recipe *recipe, unsigned volume, bool sync, struct assembly_lines *lines)
{
    static const struct place place = {.volume = 7};
    static char body[1 << 20];
    const struct recipe_target target = {
        .place = &place, .path = "/5d/41/aGVsbG8=", .time = 1234567890123, .sync = sync};
    size_t line = 0;

    assert_true(snprintf(body, sizeof(body), "%s", recipe_body(recipe, &volumes[volume], &target)) <
                (int)sizeof(body));
    assert_int_equal(assembly_lines_parse(body, strlen(body), lines, &line), 0);
    assert_string_equal(lines->path, "5d/41/aGVsbG8=");
    assert_int_equal(lines->time, target.time);
    assert_int_equal(lines->size, recipe->size);
    assert_int_equal(lines->will_sync, sync);
    assert_int_equal(lines->wants_md5, recipe->wants_md5);
    assert_int_equal(lines->may_link, recipe->may_link);
}

static void test_recipe_is_for_volumes_that_have_all(void **state)
{
    struct recipe recipe = {.size = 0};

    (void)state;
    add(&recipe, 7, "/aa/aa/YQ==");
    add(&recipe, 6, "/bb/bb/Yg==");
    assert_false(recipe_is_for(&recipe, &volumes[0]));
    assert_true(recipe_is_for(&recipe, &volumes[1]));
    assert_true(recipe_is_for(&recipe, &volumes[2]));
    add(&recipe, 5, "/cc/cc/Yw==");
    assert_false(recipe_is_for(&recipe, &volumes[0]));
    assert_false(recipe_is_for(&recipe, &volumes[1]));
    assert_true(recipe_is_for(&recipe, &volumes[2]));
    assert_int_equal(recipe.n, 1);
    assert_int_equal(recipe.size, 15);
    add(&recipe, 3, "/dd/dd/ZA==");
    assert_int_equal(recipe.n, 0);
    assert_null(recipe_body(&recipe, &volumes[2], &(struct recipe_target){.time = 0}));
    recipe_deinit(&recipe);
}

static void test_recipe_body_is_what_volumes_read(void **state)
{
    struct recipe_source whole = source_at(3, "/bb/bb/Yg==.0000000000000001");
    struct recipe recipe = {.size = 0};
    struct assembly_lines lines;

    (void)state;
    whole.offset = 0;
    whole.length = whole.size;
    add(&recipe, 3, "/aa/aa/YQ==.00000000000000ff");
    recipe_add(&recipe, &whole);
    for (unsigned i = 0; i < 4; i++) {
        recipe.wants_md5 = i / 2;
        parse(&recipe, i % 2, i / 2, &lines);
        assert_int_equal(lines.n, 2);
        assert_string_equal(lines.sources[0].path, i % 2 == 0 ? "sv0A/aa/aa/YQ==.00000000000000ff"
                                                              : "sv0B/aa/aa/YQ==.00000000000000ff");
        assert_int_equal(lines.sources[0].size, 10);
        assert_int_equal(lines.sources[0].offset, 2);
        assert_int_equal(lines.sources[0].length, 5);
        assert_int_equal(lines.sources[1].length, 10);
        free(lines.sources);
    }
    recipe_deinit(&recipe);
}

static struct recipe_source flat_source_at(unsigned bits, const char *path)
{
    struct recipe_source source = source_at(bits, path);

    for (unsigned i = 0; i < source.n_copies; i++)
        source.copies[i].place = (struct place){.volume = i};
    return source;
}

/* Where blobs are in no subvolume, until one is. */
static void test_recipe_text_is_shared(void **state)
{
    struct recipe_source flat = flat_source_at(7, "/aa/aa/YQ==.0000000000000001");
    struct recipe_source mixed = flat_source_at(7, "/bb/bb/Yg==.0000000000000001");
    struct recipe recipe = {.size = 0};
    struct assembly_lines lines;

    (void)state;
    mixed.copies[1].place = (struct place){.has_subvolume = true, .subvolume = 11};
    for (unsigned i = 0; i < 100; i++)
        recipe_add(&recipe, &flat);
    assert_ptr_equal(recipe.volumes[0].text, recipe.volumes[1].text);
    assert_ptr_equal(recipe.volumes[0].text, recipe.volumes[2].text);
    assert_in_range(recipe_bytes(&recipe), 100 * 29, 100 * 36 + 4096);
    recipe_add(&recipe, &mixed);
    recipe_add(&recipe, &flat);
    for (unsigned i = 0; i < 3; i++) {
        parse(&recipe, i, true, &lines);
        assert_int_equal(lines.n, 102);
        assert_string_equal(lines.sources[99].path, "aa/aa/YQ==.0000000000000001");
        assert_string_equal(lines.sources[100].path, i == 1 ? "sv0B/bb/bb/Yg==.0000000000000001"
                                                            : "bb/bb/Yg==.0000000000000001");
        free(lines.sources);
    }
    assert_ptr_equal(recipe.volumes[0].text, recipe.volumes[2].text);
    assert_ptr_not_equal(recipe.volumes[0].text, recipe.volumes[1].text);
    recipe_deinit(&recipe);
}

/* The file to be made may be in one, though the sources aren't. */
static void test_recipe_text_is_shared_by_targets_alike(void **state)
{
    const struct recipe_source flat = flat_source_at(3, "/aa/aa/YQ==.0000000000000001");
    const struct place places[2] = {{.has_subvolume = true, .subvolume = 1},
                                    {.has_subvolume = true, .subvolume = 2}};
    struct recipe recipe = {.size = 0};
    const char *bodies[2];

    (void)state;
    recipe_add(&recipe, &flat);
    for (unsigned i = 0; i < 2; i++)
        bodies[i] = recipe_body(&recipe, &volumes[i],
                                &(struct recipe_target){.place = &places[i], .path = "/p"});
    assert_int_equal(strncmp(bodies[0], "/sv01/p\t", 8), 0);
    assert_int_equal(strncmp(bodies[1], "/sv02/p\t", 8), 0);
    assert_string_equal(strchr(bodies[0], '\n'), strchr(bodies[1], '\n'));
    recipe_deinit(&recipe);
}

static void test_recipe_of_another_name(void **state)
{
    struct recipe_source whole = source_at(3, "/bb/bb/Yg==.0000000000000001");
    struct recipe recipe = {.may_link = true};
    struct assembly_lines lines;

    (void)state;
    whole.offset = 0;
    whole.length = whole.size;
    recipe_add(&recipe, &whole);
    for (unsigned i = 0; i < 2; i++) {
        parse(&recipe, 0, i > 0, &lines);
        assert_int_equal(lines.n, 1);
        free(lines.sources);
    }
    recipe_deinit(&recipe);
}

/* A path at a volume is as long as a key's can be, and numbers as large as they get. */
static void test_recipe_body_of_the_longest_lines(void **state)
{
    struct recipe recipe = {.wants_md5 = true};
    struct recipe_source source = {.size = UINT64_MAX, .offset = 1, .length = UINT64_MAX - 1};
    const struct place place = {.has_subvolume = true, .subvolume = 255};
    char path[PLACEMENT_PATH_MAX];
    const char *body;

    (void)state;
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    source.path = path;
    source.copies[source.n_copies++] = (struct recipe_copy){.volume = volumes, .place = place};
    recipe_add(&recipe, &source);
    body = recipe_body(
        &recipe, volumes,
        &(struct recipe_target){.place = &place, .path = path, .time = UINT64_MAX, .sync = true});
    assert_int_equal(strncmp(body, "/svFF/", 6), 0);
    assert_non_null(strstr(body, "\t18446744073709551614\t18446744073709551615\tmd5,sync\n/svFF/"));
    recipe_deinit(&recipe);
}

static void test_recipe_is_bounded(void **state)
{
    struct recipe recipe = {.size = 0};

    (void)state;
    for (unsigned i = 0; i < RECIPE_SOURCES_MAX; i++)
        add(&recipe, 1, "/aa/aa/YQ==");
    assert_int_equal(recipe.n, 1);
    add(&recipe, 1, "/aa/aa/YQ==");
    assert_int_equal(recipe.n, 0);
    recipe_deinit(&recipe);
    {
        char path[2048];

        memset(path, 'a', sizeof(path));
        path[sizeof(path) - 1] = '\0';
        for (size_t bytes = 0; bytes < RECIPE_BYTES_MAX; bytes += sizeof(path))
            add(&recipe, 1, path);
        assert_int_equal(recipe.n, 0);
        recipe_deinit(&recipe);
        for (size_t bytes = 0; bytes < RECIPE_BYTES_MAX; bytes += sizeof(path)) {
            const struct recipe_source flat = flat_source_at(7, path);

            recipe_add(&recipe, &flat);
        }
        assert_int_equal(recipe.n, 0);
    }
    recipe_deinit(&recipe);
}

/* --- Answers --------------------------------------------------------------------------------- */

static const struct {
    const char *answer;
    enum assemble_word word;
    bool is_bad;
    bool has_md5;
} answers[] = {
    {"done\n", ASSEMBLE_WORD_DONE, false, false},
    {"\n\n\ndone\t00112233445566778899aabbccddeeff\n", ASSEMBLE_WORD_DONE, false, true},
    {"/a\tmissing\n\n/b\tdiffers\nnone\n", ASSEMBLE_WORD_NONE, false, false},
    {"full\tthe disk is full\n", ASSEMBLE_WORD_FULL, false, false},
    {"\nerror\tInput/output error\n", ASSEMBLE_WORD_ERROR, false, false},
    {"", ASSEMBLE_WORD_MISSING, false, false},
    {"\n", ASSEMBLE_WORD_MISSING, false, false},
    {"done", ASSEMBLE_WORD_MISSING, false, false},
    {"/a\tmissing\n", ASSEMBLE_WORD_MISSING, false, false},
    {"done\nmore\n", ASSEMBLE_WORD_DONE, true, false},
    {"done\t0011\n", ASSEMBLE_WORD_MISSING, true, false},
    {"done\t00112233445566778899aabbccddeeff0\n", ASSEMBLE_WORD_MISSING, true, false},
    {"done \n", ASSEMBLE_WORD_MISSING, true, false},
    {"/a\tthere\n", ASSEMBLE_WORD_MISSING, true, false},
    {"a\tmissing\n", ASSEMBLE_WORD_MISSING, true, false},
    {"error\n", ASSEMBLE_WORD_MISSING, true, false},
};

static void test_assemble_answer_add(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        const char *answer = answers[i].answer;

        for (size_t piece = 1; piece <= strlen(answer) + 1; piece++) {
            struct assemble_answer a = {.volume = "a:1"};

            for (size_t at = 0; at < strlen(answer); at += piece)
                assemble_answer_add(&a, answer + at, strnlen(answer + at, piece));
            assert_int_equal(a.word, answers[i].word);
            assert_int_equal(a.lines.is_bad, answers[i].is_bad);
            if (!a.lines.is_bad)
                assert_int_equal(a.has_md5, answers[i].has_md5);
            if (answers[i].has_md5)
                assert_int_equal(a.md5[15], 0xff);
            assemble_answer_deinit(&a);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipe_is_for_volumes_that_have_all),
        cmocka_unit_test(test_recipe_body_is_what_volumes_read),
        cmocka_unit_test(test_recipe_text_is_shared),
        cmocka_unit_test(test_recipe_text_is_shared_by_targets_alike),
        cmocka_unit_test(test_recipe_of_another_name),
        cmocka_unit_test(test_recipe_body_of_the_longest_lines),
        cmocka_unit_test(test_recipe_is_bounded),
        cmocka_unit_test(test_assemble_answer_add),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
