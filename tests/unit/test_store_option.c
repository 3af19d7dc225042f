#include "tests/unit/test.h"

#include <string.h>

#include "launcher/store_option.h"

static void assert_refused(const char *uri, const char *because)
{
    const char *problem = store_option_problem(uri);

    if (problem == NULL || strstr(problem, because) == NULL)
        print_error("%s: %s\n", uri, problem != NULL ? problem : "taken");
    assert_true(problem != NULL && strstr(problem, because) != NULL);
}

#ifdef MKV_POSTGRES

static void assert_taken(const char *uri)
{
    const char *problem = store_option_problem(uri);

    if (problem != NULL)
        print_error("%s: %s\n", uri, problem);
    assert_null(problem);
}

static void test_uri_that_libpq_takes(void **state)
{
    (void)state;
    assert_taken("postgresql://");
    assert_taken("postgres://mkv@db1.lan/mkv");
    assert_taken("postgresql://db1:5432,db2:5433,[::1]:5434/mkv?sslmode=verify-full&user=mkv");
    assert_taken("postgresql:///mkv?host=/run/postgresql&passfile=/etc/mkv/pgpass");
    assert_taken("postgresql:///?service=mkv");
    assert_taken("postgresql://mkv:@db1/mkv"); /* libpq takes it for none */
}

static void test_uri_of_something_else(void **state)
{
    (void)state;
    assert_refused("", "must be postgresql://");
    assert_refused("/srv/index", "must be postgresql://");
    assert_refused("host=db1 dbname=mkv", "must be postgresql://");
    assert_refused("mysql://db1/mkv", "must be postgresql://");
    assert_refused("postgresql:db1/mkv", "must be postgresql://");
    assert_refused("POSTGRESQL://db1/mkv", "must be postgresql://");
}

static void test_uri_that_libpq_does_not_take(void **state)
{
    (void)state;
    assert_refused("postgresql://db1/mkv?colour=red", "which libpq takes");
    assert_refused("postgresql://[::1/mkv", "which libpq takes");
    assert_refused("postgresql://db1/%zz", "which libpq takes");
    assert_refused("postgresql://db1/a%00b", "which libpq takes");
    assert_refused("postgresql://db1/mkv?user", "which libpq takes");
}

/* However it is written. */
static void test_uri_with_a_password(void **state)
{
    (void)state;
    assert_refused("postgresql://mkv:hush@db1/mkv", "PGPASSFILE");
    assert_refused("postgres://:hush@/mkv", "PGPASSFILE");
    assert_refused("postgresql://a?b:hush@db1/mkv", "PGPASSFILE");
    assert_refused("postgresql://db1/mkv?password=hush", "PGPASSFILE");
    assert_refused("postgresql://db1/mkv?user=mkv&p%61ssword=hush", "PGPASSFILE");
    assert_refused("postgresql://db1/mkv?sslpassword=hush", "PGPASSFILE");
    assert_refused("postgresql://mkv:hush@db1/mkv?service=mkv", "PGPASSFILE");
}

#else

static void test_build_without_postgres(void **state)
{
    (void)state;
    assert_refused("postgresql://db1/mkv", "without PostgreSQL");
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef MKV_POSTGRES
        cmocka_unit_test(test_uri_that_libpq_takes),
        cmocka_unit_test(test_uri_of_something_else),
        cmocka_unit_test(test_uri_that_libpq_does_not_take),
        cmocka_unit_test(test_uri_with_a_password),
#else
        cmocka_unit_test(test_build_without_postgres),
#endif
    };

    return cmocka_run_group_tests_name("store_option", tests, NULL, NULL);
}
