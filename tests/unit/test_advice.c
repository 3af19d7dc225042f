#include "tests/unit/test.h"

#include <jansson.h>
#include <string.h>

#include "index/admin/advice.h"

#define NOW 1000000000000

static json_t *advice;

/* Judges a status that is written with ' in place of ". */
static void judge(const char *status)
{
    char text[4096];
    json_t *value;

    assert_true(strlen(status) < sizeof(text));
    strcpy(text, status);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    value = json_loads(text, 0, NULL);
    assert_non_null(value);
    json_decref(advice);
    advice = advice_of(value, NOW);
    json_decref(value);
    assert_non_null(advice);
}

static const char *at(size_t i, const char *name)
{
    const char *text = json_string_value(json_object_get(json_array_get(advice, i), name));

    assert_non_null(text);
    return text;
}

static void expect(size_t i, const char *level, const char *text, const char *in_mend)
{
    assert_true(i < json_array_size(advice));
    assert_string_equal(at(i, "level"), level);
    assert_string_equal(at(i, "text"), text);
    assert_non_null(strstr(at(i, "mend"), in_mend));
}

static int forget_advice(void **state)
{
    (void)state;
    json_decref(advice);
    advice = NULL;
    return 0;
}

static void test_advice_of_what_is_well_is_none(void **state)
{
    (void)state;
    judge("{}");
    assert_int_equal(json_array_size(advice), 0);
    judge("{'replicas':1,'journal':{'error':null},'checkpoint':{'error':null},'certificate':null,"
          "'healing':{'held':false,'repair_after_ms':5},'zones':{'count':3,'keys_sharing':0},"
          "'volumes':[{'name':'a:1','state':'up','reason':'','used':true,'total_bytes':100,"
          "'free_bytes':50}],'jobs':[{'job':1,'kind':'verify','state':'done','clean':true},"
          "{'job':2,'kind':'verify','state':'running','clean':false}]}");
    assert_int_equal(json_array_size(advice), 0);
}

static void test_advice_names_each_of_a_few_volumes(void **state)
{
    (void)state;
    judge("{'replicas':1,'healing':{'repair_after_ms':3600000},'volumes':["
          "{'name':'a:1','state':'down','reason':'it can\\u0027t be reached','used':true,"
          "'since_ms':7},"
          "{'name':'b:1','state':'read-only','reason':'r','used':true},"
          "{'name':'c:1','state':'full','reason':'','used':false},"
          "{'name':'d:1','state':'full','reason':'5 bytes are left','used':true},"
          "{'name':'e:1','state':'up','reason':'it answered 500','used':true,'total_bytes':1000,"
          "'free_bytes':49}]}");
    assert_int_equal(json_array_size(advice), 5);
    expect(0, "warning", "Volume a:1 is down: it can't be reached.", "away for 1 h 0 min");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(advice, 0), "since_ms")), 7);
    expect(1, "warning", "Volume b:1 is read-only: r.", "dmesg");
    expect(2, "warning", "Volume d:1 is full: 5 bytes are left.", "mkv rebalance");
    expect(3, "warning", "Volume e:1 is up but failed of late: it answered 500.", "log");
    expect(4, "note", "Volume e:1 is nearly full: 49 B left.", "mkv rebalance");
}

static void test_advice_sums_many_volumes_up(void **state)
{
    (void)state;
    judge("{'replicas':1,'volumes':[{'name':'a','state':'down','used':true,'since_ms':9},"
          "{'name':'b','state':'down','used':true,'since_ms':8},{'name':'c','state':'down','used':"
          "true},"
          "{'name':'d','state':'down','used':true},{'name':'e','state':'up','used':true}]}");
    assert_int_equal(json_array_size(advice), 1);
    expect(0, "warning", "4 of 5 volumes are down: a, b, c and others.", "their machines");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(advice, 0), "since_ms")), 8);
}

static void test_advice_tells_the_reason_s_own_mend(void **state)
{
    (void)state;
    judge("{'volumes':[{'name':'a','state':'down','used':true,'reason':'it refuses our tickets: "
          "another "
          "--secret-file, or clocks that "
          "differ'},{'name':'b','state':'down','used':true,'reason':'it may "
          "speak TLS alone: name it "
          "https://HOST:PORT'},{'name':'c','state':'down','used':true,'reason':'it is "
          "listed by another name'}]}");
    assert_non_null(strstr(at(0, "mend"), "clocks"));
    assert_non_null(strstr(at(1, "mend"), "--tls-cert"));
    assert_non_null(strstr(at(2, "mend"), "one name"));
}

static void test_advice_of_what_was_taken_out_is_a_note(void **state)
{
    (void)state;
    judge("{'replicas':1,'volumes':[{'name':'a','state':'up','used':true},{'name':'b',"
          "'state':'down','reason':'it can\\u0027t be reached','used':false}]}");
    assert_int_equal(json_array_size(advice), 1);
    expect(0, "note", "Volume b is down, and takes no new values: it can't be reached.",
           "Nothing is to be done");
}

static void test_advice_of_what_verify_found(void **state)
{
    (void)state;
    judge("{'jobs':[{'job':1,'kind':'verify','state':'done','clean':false,'text':'2 copies are on "
          "volumes that are away'}]}");
    assert_non_null(strstr(at(0, "mend"), "mkv forget"));
    judge("{'jobs':[{'job':1,'kind':'verify','state':'done','clean':false,'text':'2 blobs without "
          "a key'}]}");
    assert_non_null(strstr(at(0, "mend"), "an old dump"));
}

static void test_advice_of_a_database_is_about_that(void **state)
{
    (void)state;
    judge("{'index':'/srv/i','store':{'engine':'postgres','away':true},"
          "'journal':{'error':'no space left on device'}}");
    assert_int_equal(json_array_size(advice), 1);
    expect(0, "critical", "The database can't be reached: all requests are refused.", "log");
    judge("{'index':'/srv/i','store':{'engine':'postgres','away':false},"
          "'journal':{'error':'no space left on device'}}");
    assert_int_equal(json_array_size(advice), 1);
    expect(0, "critical", "The database refuses changes: no space left on device.", "its disk");
    judge("{'store':{'engine':'postgres','away':false,'refuses_changes':true},"
          "'journal':{'error':null}}");
    assert_int_equal(json_array_size(advice), 1);
    expect(0, "critical", "The database can only be read: all changes are refused.", "log");
    judge("{'store':{'engine':'postgres','away':false},'journal':{'error':null}}");
    assert_int_equal(json_array_size(advice), 0);
}

static void test_advice_begins_with_refused_writes(void **state)
{
    (void)state;
    judge("{'replicas':2,'index':'/srv/i','journal':{'error':'no space left on device'},"
          "'checkpoint':{'error':'i/o error'},"
          "'volumes':[{'name':'a','state':'up','used':true},{'name':'b','state':'down'}]}");
    assert_int_equal(json_array_size(advice), 4);
    expect(0, "critical",
           "The index refuses changes, since it can't write its journal: no space left on device.",
           "Make room on the disk of /srv/i");
    expect(1, "critical", "New values are refused: each goes to 2 volumes, and 1 can take any.",
           "Bring volumes back");
    expect(2, "warning", "The last checkpoint failed, so the journal grows: i/o error.", "dmesg");
    judge("{'replicas':2,'volumes':[{'name':'a','state':'unknown','used':true}]}");
    assert_int_equal(json_array_size(advice), 0);
}

static void test_advice_of_a_certificate_comes_in_time(void **state)
{
    (void)state;
    judge("{'certificate':{'file':'/c','expires_ms':1001209600001}}");
    assert_int_equal(json_array_size(advice), 0);
    judge("{'certificate':{'file':'/c','expires_ms':1000172800000}}");
    expect(0, "warning", "The certificate /c expires in 2 days 0 h.", "HUP");
    judge("{'certificate':{'file':'/c','expires_ms':999999999000}}");
    expect(0, "critical", "The certificate /c expired 1 s ago.", "HUP");
}

static void test_advice_of_a_job_is_gone_with_the_next_one(void **state)
{
    (void)state;
    judge("{'jobs':[{'job':1,'kind':'drain','volume':'a:1','state':'failed','text':'why',"
          "'started_ms':5,'elapsed_ms':2},"
          "{'job':2,'kind':'verify','state':'done','clean':false,'text':'1 copy is bad'},"
          "{'job':3,'kind':'rebalance','state':'done','clean':false},"
          "{'job':4,'kind':'verify','state':'canceled'}]}");
    assert_int_equal(json_array_size(advice), 2);
    expect(0, "warning", "Job 1, drain, failed: why.", "mkv drain a:1");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(advice, 0), "since_ms")), 7);
    expect(1, "warning", "Job 2, verify, found what isn't well: 1 copy is bad.", "--repair");
    judge("{'jobs':[{'job':1,'kind':'verify','state':'failed'},"
          "{'job':2,'kind':'verify','state':'running'}]}");
    assert_int_equal(json_array_size(advice), 0);
}

static void test_advice_of_zones_and_healing(void **state)
{
    (void)state;
    judge("{'zones':{'count':2,'keys_sharing':1},'healing':{'held':true}}");
    expect(0, "warning", "More than half of the volumes are away, so no copies are made elsewhere.",
           "network");
    expect(1, "note", "The copies of 1 key share a zone.", "mkv rebalance");
    judge("{'zones':{'count':1,'keys_sharing':1}}");
    assert_int_equal(json_array_size(advice), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_advice_of_what_is_well_is_none, forget_advice),
        cmocka_unit_test_teardown(test_advice_names_each_of_a_few_volumes, forget_advice),
        cmocka_unit_test_teardown(test_advice_sums_many_volumes_up, forget_advice),
        cmocka_unit_test_teardown(test_advice_tells_the_reason_s_own_mend, forget_advice),
        cmocka_unit_test_teardown(test_advice_of_what_was_taken_out_is_a_note, forget_advice),
        cmocka_unit_test_teardown(test_advice_of_what_verify_found, forget_advice),
        cmocka_unit_test_teardown(test_advice_of_a_database_is_about_that, forget_advice),
        cmocka_unit_test_teardown(test_advice_begins_with_refused_writes, forget_advice),
        cmocka_unit_test_teardown(test_advice_of_a_certificate_comes_in_time, forget_advice),
        cmocka_unit_test_teardown(test_advice_of_a_job_is_gone_with_the_next_one, forget_advice),
        cmocka_unit_test_teardown(test_advice_of_zones_and_healing, forget_advice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
