#include "tests/unit/http_fixture.h"

#include <stdio.h>
#include <string.h>

#include "index/base/http_date.h"
#include "index/s3/respond.h"

/* --- XML out --------------------------------------------------------------------------------- */

/* Asserts that the buffer holds the text, and frees it. */
static void expect_text(struct buf *buf, const char *wanted)
{
    assert_int_equal(buf_append(buf, "", 1), 0);
    assert_string_equal(buf_bytes(buf), wanted);
    buf_deinit(buf);
}

static void test_xml_out_a_document(void **state)
{
    struct buf buf = {.data = NULL};
    struct xml_out out = {.buf = &buf};

    (void)state;
    xml_out_declare(&out);
    xml_out_root(&out, "A");
    xml_out_open(&out, "B");
    xml_out_number(&out, "N", UINT64_MAX);
    xml_out_bool(&out, "T", true);
    xml_out_bool(&out, "F", false);
    xml_out_time(&out, "D", 1160675430007);
    xml_out_close(&out, "B");
    xml_out_close(&out, "A");
    assert_false(out.failed);
    expect_text(&buf, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                      "<A xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><B>"
                      "<N>18446744073709551615</N><T>true</T><F>false</F>"
                      "<D>2006-10-12T17:50:30.007Z</D></B></A>");
}

static void test_xml_out_text_escapes(void **state)
{
    static const struct {
        const char *text;
        const char *wanted;
    } cases[] = {
        {"", "<K></K>"},
        {"a b/c", "<K>a b/c</K>"},
        {"<&>\"'", "<K>&lt;&amp;&gt;&quot;'</K>"},
        {"]]>", "<K>]]&gt;</K>"},
        {"a\r\n\tb\x01\x1f\x7f", "<K>a&#xD;&#xA;&#x9;b&#x1;&#x1F;\x7f</K>"},
        {"\xc3\xa4\xf0\x9f\x98\x80", "<K>\xc3\xa4\xf0\x9f\x98\x80</K>"},
        {"a\xff\xc3", "<K>a\xef\xbf\xbd\xef\xbf\xbd</K>"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf buf = {.data = NULL};
        struct xml_out out = {.buf = &buf};

        xml_out_string(&out, "K", cases[i].text);
        expect_text(&buf, cases[i].wanted);
    }
}

static void test_xml_out_url_any_byte(void **state)
{
    struct buf buf = {.data = NULL};
    struct xml_out out = {.buf = &buf};
    char bytes[256];
    char wanted[3 * 256 + 8] = "<K>";
    char *end = wanted + 3;

    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        end +=
            i > 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/",
                            (int)i) != NULL
                ? sprintf(end, "%c", (int)i)
                : sprintf(end, "%%%02X", i);
    }
    strcpy(end, "</K>");
    xml_out_url(&out, "K", bytes, sizeof(bytes));
    expect_text(&buf, wanted);
}

static void test_xml_out_url_longer_than_a_piece(void **state)
{
    (void)state;
    for (size_t plain = 0; plain < 3; plain++) { /* bytes before those that are encoded */
        struct buf buf = {.data = NULL};
        struct xml_out out = {.buf = &buf};
        char bytes[1024];

        memset(bytes, ' ', sizeof(bytes));
        memset(bytes, 'a', plain);
        xml_out_url(&out, "K", bytes, sizeof(bytes));
        assert_int_equal(buf_size(&buf), plain + 3 * (1024 - plain) + 7);
        for (size_t i = 0; i < 1024 - plain; i++)
            assert_memory_equal(buf_bytes(&buf) + 3 + plain + 3 * i, "%20", 3);
        buf_deinit(&buf);
    }
}

static void test_iso_date_format_ends(void **state)
{
    char text[ISO_DATE_SIZE];

    (void)state;
    iso_date_format(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    iso_date_format(253402300799999, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    iso_date_format(UINT64_MAX, text);
    assert_memory_equal(text, "9999-12-31T23:59:59.", 20);
}

/* --- Errors ---------------------------------------------------------------------------------- */

static void test_s3_error_form_of_each(void **state)
{
    (void)state;
    for (int i = S3_OK + 1; i < S3_ERRORS; i++) {
        const struct s3_error_form *form = s3_error_form((enum s3_error)i);

        assert_in_range(form->status, 300, 599);
        assert_true(strlen(form->code) > 0 && strlen(form->message) > 0);
        for (int k = S3_OK + 1; k < i; k++)
            assert_string_not_equal(form->code, s3_error_form((enum s3_error)k)->code);
    }
}

/* --- Answers --------------------------------------------------------------------------------- */

static void handle(struct http_request *request, void *arg)
{
    struct respond_ids ids = {.host = ""};
    size_t len;
    const char *path = http_request_path(request, &len);

    (void)arg;
    respond_ids_make(&ids, request);
    respond_add_ids(request, &ids);
    if (len > 2 && path[1] == 's')
        respond_error(request, &ids, S3_SLOW_DOWN, NULL);
    else if (len > 2 && path[1] == 'n')
        respond_error(request, &ids, S3_NOT_MODIFIED, NULL);
    else
        respond_error(request, &ids, S3_INVALID_ARGUMENT, "not <that>");
}

static int setup(void **state)
{
    return fixture_start(state, handle, &fixture_limits, NULL);
}

/* Copies what stands between two marks in the answers. */
static void between(struct fixture *f, const char *before, const char *after, char out[64])
{
    const char *start = strstr(f->answers, before);
    const char *end;

    assert_non_null(start);
    start += strlen(before);
    end = strstr(start, after);
    assert_non_null(end);
    assert_true(end - start < 64);
    memcpy(out, start, (size_t)(end - start));
    out[end - start] = '\0';
}

static void test_respond_error_as_xml(void **state)
{
    struct fixture *f = *state;
    char header[64];
    char element[64];

    ask(f, "GET /b/k%3C&\"? HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "</Error>", 1);
    expect(f, "HTTP/1.1 400 Bad Request\r\n", 1);
    expect(f, "Content-Type: application/xml\r\n", 1);
    expect(f,
           "<Error><Code>InvalidArgument</Code><Message>not &lt;that&gt;</Message>"
           "<Resource>/b/k%3C&amp;&quot;</Resource><RequestId>",
           1);
    between(f, "x-amz-request-id: ", "\r\n", header);
    between(f, "<RequestId>", "</RequestId>", element);
    assert_string_equal(header, element);
    between(f, "x-amz-id-2: ", "\r\n", header);
    between(f, "<HostId>", "</HostId>", element);
    assert_string_equal(header, element);
}

static void test_respond_error_to_head_without_body(void **state)
{
    struct fixture *f = *state;

    ask(f, "HEAD /b/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    expect_close(f);
    expect(f, "HTTP/1.1 400 Bad Request\r\n", 1);
    expect(f, "x-amz-request-id: ", 1);
    assert_int_equal(count(f->answers, "<Error>"), 0);
}

static void test_respond_error_not_modified_without_body(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /n/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    expect_close(f);
    expect(f, "HTTP/1.1 304 Not Modified\r\n", 1);
    assert_int_equal(count(f->answers, "<"), 0);
}

static void test_respond_error_tells_when_to_retry(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /s/k HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "<Code>SlowDown</Code>", 1);
    expect(f, "HTTP/1.1 503 ", 1);
    expect(f, "Retry-After: ", 1);
}

static void test_respond_ids_make_each_once(void **state)
{
    struct fixture *f = *state;
    const char *second;
    char id[64];

    ask(f, "GET /b/k HTTP/1.1\r\nHost: h\r\n\r\nGET /b/k HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "</Error>", 2);
    between(f, "x-amz-request-id: ", "\r\n", id);
    assert_int_equal(strlen(id), HTTP_REQUEST_ID_SIZE - 1);
    second = strstr(f->answers, "</Error>");
    assert_null(strstr(second, id));
    between(f, "x-amz-id-2: ", "\r\n", id);
    assert_non_null(strstr(second, id));
}

/* As from the front, whose log has the same one. */
static void test_respond_ids_make_takes_what_came(void **state)
{
    struct fixture *f = *state;

    ask(f,
        "GET /b/k HTTP/1.1\r\nHost: h\r\nX-Request-Id: 0123456789abcdef0123456789abcdef\r\n\r\n");
    expect(f, "</Error>", 1);
    expect(f, "x-amz-request-id: 0123456789abcdef0123456789abcdef\r\n", 1);
    expect(f, "<RequestId>0123456789abcdef0123456789abcdef</RequestId>", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml_out_a_document),
        cmocka_unit_test(test_xml_out_text_escapes),
        cmocka_unit_test(test_xml_out_url_any_byte),
        cmocka_unit_test(test_xml_out_url_longer_than_a_piece),
        cmocka_unit_test(test_iso_date_format_ends),
        cmocka_unit_test(test_s3_error_form_of_each),
        cmocka_unit_test_setup_teardown(test_respond_error_as_xml, setup, teardown),
        cmocka_unit_test_setup_teardown(test_respond_error_to_head_without_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_respond_error_not_modified_without_body, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_respond_error_tells_when_to_retry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_respond_ids_make_each_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_respond_ids_make_takes_what_came, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
