#include "index/api/write_head.h"

#include <string.h>
#include <strings.h>

#include "index/api/auth.h"
#include "index/api/get.h"
#include "index/http/conditions.h"
#include "index/http/query.h"

/* Headers that change what a write means. Range and If-Range aren't among them: RFC 9110, section
 * 14.2, wants those ignored. */
static const struct ask {
    const char *name;
    const char *harmless; /* the value that asks for nothing, or NULL */
    int status;
    const char *text;
} asks[] = {
    {"Content-Range", NULL, 400, "a part of a value can't be written (Content-Range)\n"},
    {"Content-Encoding", "identity", 415,
     "a Content-Encoding isn't kept: store the value without one\n"},
    {"Transfer-Encoding", "chunked", 501, "no Transfer-Encoding but chunked is understood\n"},
    {"Expect", "100-continue", 417, "nothing can be expected but 100-continue (Expect)\n"},
    {"X-HTTP-Method-Override", NULL, 400, "the method can't be overridden by a header\n"},
    {"X-HTTP-Method", NULL, 400, "the method can't be overridden by a header\n"},
    {"X-Method-Override", NULL, 400, "the method can't be overridden by a header\n"},
    {"If", NULL, 400, "the header If of WebDAV is not understood\n"},
};

/* Without a value, or with the harmless one, it asks for nothing. */
static bool is_asked(const struct ask *ask, const char *value)
{
    size_t len = strlen(value);

    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    return len > 0 && (ask->harmless == NULL || len != strlen(ask->harmless) ||
                       strncasecmp(value, ask->harmless, len) != 0);
}

/* A signature may be in the query. */
static const char *const parameters[] = {AUTH_PARAMETERS, NULL};

static const struct ask *find_ask(const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        if (strcasecmp(name, asks[i].name) == 0)
            return is_asked(&asks[i], value) ? &asks[i] : NULL;
    }
    return NULL;
}

int write_head_refuses(struct http_request *request, const char **text)
{
    const char *name;
    const char *value;
    const char *query;
    size_t len;

    query = http_request_query(request, &len);
    if (len > 0 && !query_has_only(query, len, parameters)) {
        *text = "only GET and HEAD take a ?query; write a ? in a key as %3F\n";
        return 400;
    }
    for (unsigned i = 0; (value = http_request_header_at(request, i, &name)) != NULL; i++) {
        const struct ask *ask = find_ask(name, value);

        if (ask == NULL)
            continue;
        if (ask->status == 415) /* RFC 9110, section 15.5.16 */
            http_add_header(request, "Accept-Encoding", ask->harmless);
        *text = ask->text;
        return ask->status;
    }
    return 0;
}

int write_head_conditions(const struct http_request *request, const struct record *record,
                          const char **text)
{
    struct conditions_target target = {0};
    struct conditions conditions;
    char etag[GET_ETAG_MAX];

    if (record != NULL) {
        get_etag(record, etag);
        target.etag = etag;
        target.modified = (int64_t)(record->time / 1000);
    }
    conditions_init(&conditions, &target);
    conditions_add_request(&conditions, request);
    switch (conditions_outcome(&conditions, false)) {
    case CONDITIONS_FAIL:
        *text = "a precondition of the request (If-...) does not hold\n";
        return 412;
    case CONDITIONS_MALFORMED:
        *text = "If-Match or If-None-Match is no list of ETags, which have quotes\n";
        return 400;
    case CONDITIONS_HOLD:
    case CONDITIONS_NOT_MODIFIED:
        break;
    }
    return 0;
}
