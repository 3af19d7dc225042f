#include "tests/unit/test.h"

#include "index/http/conditions.h"

#define ETAG     "\"5d41\""
#define MODIFIED 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define EARLIER  "Sun, 06 Nov 1994 08:49:36 GMT"
#define THEN     "Sun, 06 Nov 1994 08:49:37 GMT"
#define LATER    "Sun, 06 Nov 1994 08:49:38 GMT"

enum { HOLD = CONDITIONS_HOLD, NOT_MODIFIED, FAIL, MALFORMED };

static const struct conditions_target there = {.etag = ETAG, .modified = MODIFIED};
static const struct conditions_target missing = {.modified = CONDITIONS_NO_TIME};

/* `lines`: names and values of up to two header lines. */
static int outcome_of(const struct conditions_target *target, bool is_read,
                      const char *const lines[4])
{
    struct conditions conditions;

    conditions_init(&conditions, target);
    conditions_add(&conditions, "Host", "If-Match");
    for (size_t i = 0; i < 4 && lines[i] != NULL; i += 2)
        conditions_add(&conditions, lines[i], lines[i + 1]);
    return (int)conditions_outcome(&conditions, is_read);
}

/* What a read and a write get, of a value that is there and of one that isn't. */
static const struct {
    const char *lines[4];
    int read, write, read_missing, write_missing;
} table[] = {
    {{NULL}, HOLD, HOLD, HOLD, HOLD},
    {{"If-Range", ETAG}, HOLD, HOLD, HOLD, HOLD},
    {{"If-Matches", "*"}, HOLD, HOLD, HOLD, HOLD},

    /* 13.1.1: the strong comparison */
    {{"If-Match", ETAG}, HOLD, HOLD, FAIL, FAIL},
    {{"if-match", ETAG}, HOLD, HOLD, FAIL, FAIL},
    {{"If-Match", "\"other\""}, FAIL, FAIL, FAIL, FAIL},
    {{"If-Match", "\"5d4\""}, FAIL, FAIL, FAIL, FAIL},
    {{"If-Match", "\"5d411\""}, FAIL, FAIL, FAIL, FAIL},
    {{"If-Match", "\"5D41\""}, FAIL, FAIL, FAIL, FAIL},
    {{"If-Match", "W/" ETAG}, FAIL, FAIL, FAIL, FAIL},
    {{"If-Match", "\"other\", W/\"x\"  ," ETAG}, HOLD, HOLD, FAIL, FAIL},
    {{"If-Match", "\"5d,41\",\"\""}, FAIL, FAIL, FAIL, FAIL},
    {{"If-Match", " ,, " ETAG " ,\t, "}, HOLD, HOLD, FAIL, FAIL},
    {{"If-Match", "*"}, HOLD, HOLD, FAIL, FAIL},
    {{"If-Match", " *\t"}, HOLD, HOLD, FAIL, FAIL},
    {{"If-Match", ""}, FAIL, FAIL, FAIL, FAIL},
    {{"If-Match", "\"1-2\""}, FAIL, FAIL, FAIL, FAIL},

    /* 13.1.2: the weak one */
    {{"If-None-Match", ETAG}, NOT_MODIFIED, FAIL, HOLD, HOLD},
    {{"If-None-Match", "W/" ETAG}, NOT_MODIFIED, FAIL, HOLD, HOLD},
    {{"If-None-Match", "\"other\""}, HOLD, HOLD, HOLD, HOLD},
    {{"If-None-Match", "\"other\"," ETAG}, NOT_MODIFIED, FAIL, HOLD, HOLD},
    {{"If-None-Match", "*"}, NOT_MODIFIED, FAIL, HOLD, HOLD},
    {{"If-None-Match", ""}, HOLD, HOLD, HOLD, HOLD},

    /* No list, whatever is in it */
    {{"If-Match", "5d41"}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},
    {{"If-None-Match", "5d41"}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},
    {{"If-None-Match", "\"5d41"}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},
    {{"If-None-Match", "\""}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},
    {{"If-None-Match", "\"a b\""}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},
    {{"If-None-Match", "w/" ETAG}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},
    {{"If-None-Match", ETAG ETAG}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},
    {{"If-None-Match", ETAG ";" ETAG}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},
    {{"If-None-Match", ETAG ", x"}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},
    {{"If-None-Match", "*, " ETAG}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},
    {{"If-None-Match", "**"}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},
    {{"If-None-Match", "W/"}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},
    {{"If-None-Match", "W/*"}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},

    /* Two lines are one list */
    {{"If-Match", "\"other\"", "If-Match", ETAG}, HOLD, HOLD, FAIL, FAIL},
    {{"If-Match", ETAG, "If-Match", "\"other\""}, HOLD, HOLD, FAIL, FAIL},
    {{"If-Match", ETAG, "If-Match", "x"}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},
    {{"If-None-Match", "\"other\"", "If-None-Match", ETAG}, NOT_MODIFIED, FAIL, HOLD, HOLD},
    {{"If-None-Match", "*", "If-None-Match", "*"}, MALFORMED, MALFORMED, MALFORMED, MALFORMED},

    /* 13.1.3: not of a write */
    {{"If-Modified-Since", EARLIER}, HOLD, HOLD, HOLD, HOLD},
    {{"If-Modified-Since", THEN}, NOT_MODIFIED, HOLD, HOLD, HOLD},
    {{"If-Modified-Since", LATER}, NOT_MODIFIED, HOLD, HOLD, HOLD},
    {{"If-Modified-Since", LATER, "If-Modified-Since", LATER}, HOLD, HOLD, HOLD, HOLD},
    {{"If-Modified-Since", "yesterday"}, HOLD, HOLD, HOLD, HOLD},

    /* 13.1.4 */
    {{"If-Unmodified-Since", EARLIER}, FAIL, FAIL, HOLD, HOLD},
    {{"If-Unmodified-Since", THEN}, HOLD, HOLD, HOLD, HOLD},
    {{"If-Unmodified-Since", LATER}, HOLD, HOLD, HOLD, HOLD},
    {{"If-Unmodified-Since", EARLIER, "If-Unmodified-Since", EARLIER}, HOLD, HOLD, HOLD, HOLD},

    /* 13.2.2: which comes first */
    {{"If-Match", ETAG, "If-Unmodified-Since", EARLIER}, HOLD, HOLD, FAIL, FAIL},
    {{"If-Unmodified-Since", LATER, "If-Match", "\"other\""}, FAIL, FAIL, FAIL, FAIL},
    {{"If-None-Match", "\"other\"", "If-Modified-Since", LATER}, HOLD, HOLD, HOLD, HOLD},
    {{"If-Modified-Since", EARLIER, "If-None-Match", ETAG}, NOT_MODIFIED, FAIL, HOLD, HOLD},
    {{"If-Match", ETAG, "If-None-Match", ETAG}, NOT_MODIFIED, FAIL, FAIL, FAIL},
    {{"If-Match", "\"other\"", "If-None-Match", ETAG}, FAIL, FAIL, FAIL, FAIL},
    {{"If-Match", ETAG, "If-Modified-Since", LATER}, NOT_MODIFIED, HOLD, FAIL, FAIL},
    {{"If-Unmodified-Since", EARLIER, "If-None-Match", "*"}, FAIL, FAIL, HOLD, HOLD},
    {{"If-Match", "*", "If-None-Match", "*"}, NOT_MODIFIED, FAIL, FAIL, FAIL},
};

static void test_conditions_outcome_is_that_of_the_rfc(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const char *const *lines = table[i].lines;

        if (outcome_of(&there, true, lines) != table[i].read ||
            outcome_of(&there, false, lines) != table[i].write ||
            outcome_of(&missing, true, lines) != table[i].read_missing ||
            outcome_of(&missing, false, lines) != table[i].write_missing)
            fail_msg("%s: %s, %s: %s", lines[0], lines[1], lines[2], lines[3]);
    }
}

/* Whether the date is taken for this one, in seconds since 1970. */
static bool is_date(const char *text, int64_t seconds)
{
    struct conditions_target same = {.etag = ETAG, .modified = seconds};
    struct conditions_target newer = {.etag = ETAG, .modified = seconds + 1};
    const char *lines[4] = {"If-Unmodified-Since", text};

    return outcome_of(&same, false, lines) == HOLD && outcome_of(&newer, false, lines) == FAIL;
}

static void test_conditions_date_in_three_formats(void **state)
{
    (void)state;
    assert_true(is_date(THEN, MODIFIED));
    assert_true(is_date(THEN " \t", MODIFIED));
    assert_true(is_date("Sunday, 06-Nov-94 08:49:37 GMT", MODIFIED));
    assert_true(is_date("Sun Nov  6 08:49:37 1994", MODIFIED));
    assert_true(is_date("Thu Nov 26 17:14:49 2026", 1795713289));
    assert_true(is_date("Thu, 26 Nov 2026 17:14:49 GMT", 1795713289));
    assert_true(is_date("Thursday, 26-Nov-26 17:14:49 GMT", 1795713289));
    assert_true(is_date("Thu, 29 Feb 2024 00:00:00 GMT", 1709164800));
    assert_true(is_date("Thu, 01 Jan 1970 00:00:00 GMT", 0));
}

static void test_conditions_date_that_is_none_is_ignored(void **state)
{
    static const char *const bad[] = {
        "",
        "784111777",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMTx",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Tue, 30 Feb 1993 08:49:37 GMT",
        "Sun, 31 Nov 1993 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
    };
    const char *lines[4] = {"If-Unmodified-Since"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        lines[1] = bad[i];
        if (outcome_of(&there, false, lines) != HOLD)
            fail_msg("taken for a date: %s", bad[i]);
    }
}

static void test_conditions_without_a_time_dates_are_ignored(void **state)
{
    struct conditions_target target = {.etag = ETAG, .modified = CONDITIONS_NO_TIME};

    (void)state;
    assert_int_equal(outcome_of(&target, true, (const char *const[4]){"If-Modified-Since", LATER}),
                     HOLD);
    assert_int_equal(
        outcome_of(&target, true, (const char *const[4]){"If-Unmodified-Since", EARLIER}), HOLD);
}

static void test_conditions_tag_of_a_volume_is_left_to_it(void **state)
{
    static const struct {
        const char *name, *value;
        int outcome;
    } cases[] = {
        {"If-Match", "\"6a6e9f01-4\"", HOLD},
        {"If-Match", "\"other\", \"0-F\"", HOLD},
        {"If-Match", "W/\"6a6e9f01-4\"", FAIL},
        {"If-Match", "\"6a6e9f014\"", FAIL},
        {"If-Match", "\"6a6e9f01-\"", FAIL},
        {"If-Match", "\"-4\"", FAIL},
        {"If-Match", "\"6a6e9f01-4-4\"", FAIL},
        {"If-Match", "\"6a6e9g01-4\"", FAIL},
        {"If-None-Match", "\"6a6e9f01-4\"", HOLD},
        {"If-None-Match", "\"6a6e9f01-4\", " ETAG, NOT_MODIFIED},
    };
    struct conditions_target target = {
        .etag = ETAG, .modified = CONDITIONS_NO_TIME, .volume_knows = true};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *lines[4] = {cases[i].name, cases[i].value};

        if (outcome_of(&target, true, lines) != cases[i].outcome)
            fail_msg("%s: %s", lines[0], lines[1]);
    }
}

/* The index's own tag has that form, too, when it keeps no MD5. */
static void test_conditions_own_tag_in_the_form_of_a_volumes(void **state)
{
    struct conditions_target target = {
        .etag = "\"19a-4\"", .modified = CONDITIONS_NO_TIME, .volume_knows = true};

    (void)state;
    assert_int_equal(
        outcome_of(&target, true, (const char *const[4]){"If-None-Match", "\"19a-4\""}),
        NOT_MODIFIED);
    target.volume_knows = false;
    assert_int_equal(outcome_of(&target, false, (const char *const[4]){"If-Match", "\"19a-4\""}),
                     HOLD);
    assert_int_equal(outcome_of(&target, false, (const char *const[4]){"If-Match", "\"19b-4\""}),
                     FAIL);
}

/* litestream#1509: of S3. */
static void test_conditions_bare_tags_are_taken_where_the_target_takes_them(void **state)
{
    static const struct {
        const char *name, *value;
        int outcome, strict;
    } cases[] = {
        {"If-Match", "5d41", HOLD, MALFORMED},
        {"If-Match", "\"5d41\"", HOLD, HOLD},
        {"If-Match", "5d4", FAIL, MALFORMED},
        {"If-Match", "other , 5d41", HOLD, MALFORMED},
        {"If-Match", "W/5d41", FAIL, MALFORMED},
        {"If-Match", "W/", MALFORMED, MALFORMED},
        {"If-Match", "5d41\"", MALFORMED, MALFORMED},
        {"If-Match", "\"5d41", MALFORMED, MALFORMED},
        {"If-None-Match", "5d41", NOT_MODIFIED, MALFORMED},
        {"If-None-Match", "5d41-2", HOLD, MALFORMED},
        {"If-None-Match", "*", NOT_MODIFIED, NOT_MODIFIED},
    };
    struct conditions_target bare = there;

    (void)state;
    bare.takes_bare_tags = true;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *lines[4] = {cases[i].name, cases[i].value};

        if (outcome_of(&bare, true, lines) != cases[i].outcome ||
            outcome_of(&there, true, lines) != cases[i].strict)
            fail_msg("%s: %s", lines[0], lines[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions_outcome_is_that_of_the_rfc),
        cmocka_unit_test(test_conditions_date_in_three_formats),
        cmocka_unit_test(test_conditions_date_that_is_none_is_ignored),
        cmocka_unit_test(test_conditions_without_a_time_dates_are_ignored),
        cmocka_unit_test(test_conditions_tag_of_a_volume_is_left_to_it),
        cmocka_unit_test(test_conditions_own_tag_in_the_form_of_a_volumes),
        cmocka_unit_test(test_conditions_bare_tags_are_taken_where_the_target_takes_them),
    };

    return cmocka_run_group_tests_name("conditions", tests, NULL, NULL);
}
