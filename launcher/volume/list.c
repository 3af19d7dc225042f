#include "launcher/volume/list.h"

#include <stdbool.h>
#include <string.h>

#include "index/base/percent.h"
#include "launcher/volume/list_walk.h"
#include "launcher/volume/sync_path.h"

#define DIGITS_MAX 18 /* of a limit */

struct query {
    char after[SYNC_PATH_MAX];
    size_t after_len;
    uint64_t limit;
    bool without_attributes;
};

/* A path's bytes, or none at all. */
static bool parse_after(const char *text, size_t len, struct query *query)
{
    query->after_len = 0;
    for (size_t i = 0; i < len; i++) {
        int byte = text[i] == '%' ? percent_byte(text + i, len - i) : (unsigned char)text[i];

        if (byte <= 0 || query->after_len + 1 == sizeof(query->after))
            return false;
        query->after[query->after_len++] = (char)byte;
        i += text[i] == '%' ? 2 : 0;
    }
    return query->after_len == 0 || query->after[0] == '/';
}

static bool parse_limit(const char *text, size_t len, struct query *query)
{
    query->limit = 0;
    if (len > DIGITS_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        query->limit = query->limit * 10 + (uint64_t)(text[i] - '0');
    }
    return query->limit > 0;
}

static bool has_name(const char *text, size_t len, const char *name)
{
    return len >= strlen(name) && memcmp(text, name, strlen(name)) == 0;
}

/* Whatever else is asked for is refused: a listing of all in place of a part would be too much. */
static bool parse(const char *text, size_t len, struct query *query)
{
    *query = (struct query){.limit = UINT64_MAX};
    while (len > 0) {
        const char *end = memchr(text, '&', len);
        size_t n = end != NULL ? (size_t)(end - text) : len;
        bool is_good;

        if (has_name(text, n, "after="))
            is_good = parse_after(text + 6, n - 6, query);
        else if (has_name(text, n, "limit="))
            is_good = parse_limit(text + 6, n - 6, query);
        else if (has_name(text, n, "attributes="))
            is_good = query->without_attributes = n == 13 && memcmp(text + 11, "no", 2) == 0;
        else
            is_good = n == 0;
        if (!is_good)
            return false;
        len -= end != NULL ? n + 1 : n;
        text += n + 1;
    }
    return true;
}

void list_get(struct pieces *lists, int directory, struct http_request *http)
{
    static const struct pieces_source how = {.make = list_walk_make, .free = list_walk_free};
    struct list_walk *walk;
    struct query query;
    size_t len;
    const char *text = http_request_query(http, &len);

    if (!parse(text, len, &query)) {
        http_respond_text(http, 400,
                          "after= must be a path, limit= a number over 0, and attributes= no\n");
        return;
    }
    walk = list_walk_new(directory, query.after, query.after_len, query.limit,
                         !query.without_attributes, LIST_WALK_MEMORY);
    if (walk == NULL)
        http_respond_text(http, 503, "out of memory\n");
    else
        pieces_answer(lists, http, false, &how, walk);
}
