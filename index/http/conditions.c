#include "index/http/conditions.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "index/base/http_date.h"

#define WHITE " \t"

/* --- Entity tags: RFC 9110, section 8.8.3 ---------------------------------------------------- */

struct tag {
    bool weak;
    const char *bytes; /* without the quotes */
    size_t len;
};

static size_t count_tag_bytes(const char *at)
{
    size_t n = 0;

    while ((unsigned char)at[n] > 0x20 && at[n] != '"' && at[n] != 0x7f)
        n++;
    return n;
}

/* Takes a tag off the front. */
static bool read_tag(const char **at, bool takes_bare, struct tag *tag)
{
    const char *bytes = *at;
    bool has_quotes;

    tag->weak = strncmp(bytes, "W/", 2) == 0;
    if (tag->weak)
        bytes += 2;
    has_quotes = *bytes == '"';
    tag->bytes = bytes + has_quotes;
    tag->len = has_quotes ? count_tag_bytes(tag->bytes) : strcspn(bytes, WHITE ",\"");
    if (has_quotes ? tag->bytes[tag->len] != '"' : !takes_bare || tag->len == 0)
        return false;
    *at = tag->bytes + tag->len + has_quotes;
    return true;
}

static size_t count_hex(const char *at)
{
    size_t n = 0;

    while (isxdigit((unsigned char)at[n]))
        n++;
    return n;
}

static bool is_volume_tag(const struct tag *tag)
{
    size_t before = count_hex(tag->bytes);
    const char *dash = tag->bytes + before;
    size_t after = *dash == '-' ? count_hex(dash + 1) : 0;

    return !tag->weak && before > 0 && after > 0 && before + after + 1 == tag->len;
}

/* Takes "*" or a tag off the front. */
static bool read_member(struct conditions_tags *tags, const struct conditions_target *target,
                        const char **at)
{
    const char *own = target->etag;
    struct tag tag;

    tags->members++;
    if (**at == '*') {
        tags->star = true;
        (*at)++;
        return true;
    }
    if (!read_tag(at, target->takes_bare_tags, &tag))
        return false;
    if (own != NULL && strlen(own) == tag.len + 2 && memcmp(own + 1, tag.bytes, tag.len) == 0) {
        tags->own = true;
        tags->own_strong |= !tag.weak;
    }
    tags->volume |= is_volume_tag(&tag);
    return true;
}

/* Members may be empty: section 5.6.1.2. */
static void add_tags(struct conditions_tags *tags, const struct conditions_target *target,
                     const char *at)
{
    tags->given = true;
    for (at += strspn(at, WHITE ","); *at != '\0'; at += strspn(at, WHITE ",")) {
        bool good = read_member(tags, target, &at);

        at += strspn(at, WHITE);
        if (!good || (*at != ',' && *at != '\0')) {
            tags->malformed = true;
            return;
        }
    }
}

static bool is_malformed(const struct conditions_tags *tags)
{
    return tags->malformed || (tags->star && tags->members > 1);
}

/* --- Dates: section 5.6.7 -------------------------------------------------------------------- */

static void add_date(struct conditions_date *date, const char *text)
{
    date->valid = http_date_parse(text, &date->seconds) == 0 && date->given == 0;
    date->given++;
}

/* --- All of them ----------------------------------------------------------------------------- */

void conditions_init(struct conditions *conditions, const struct conditions_target *target)
{
    memset(conditions, 0, sizeof(*conditions));
    conditions->target = *target;
}

void conditions_add(struct conditions *conditions, const char *name, const char *value)
{
    if (strncasecmp(name, "If-", 3) != 0)
        return;
    if (strcasecmp(name, "If-Match") == 0)
        add_tags(&conditions->match, &conditions->target, value);
    else if (strcasecmp(name, "If-None-Match") == 0)
        add_tags(&conditions->none_match, &conditions->target, value);
    else if (strcasecmp(name, "If-Modified-Since") == 0)
        add_date(&conditions->modified_since, value);
    else if (strcasecmp(name, "If-Unmodified-Since") == 0)
        add_date(&conditions->unmodified_since, value);
}

void conditions_add_request(struct conditions *conditions, const struct http_request *request)
{
    const char *name;
    const char *value;

    for (unsigned i = 0; (value = http_request_header_at(request, i, &name)) != NULL; i++)
        conditions_add(conditions, name, value);
}

static bool match_holds(const struct conditions *c)
{
    if (c->match.star)
        return c->target.etag != NULL;
    return c->match.own_strong || (c->target.volume_knows && c->match.volume);
}

static bool none_match_holds(const struct conditions *c)
{
    return c->none_match.star ? c->target.etag == NULL : !c->none_match.own;
}

/* Whether there are two dates to compare. */
static bool has_dates(const struct conditions *c, const struct conditions_date *date)
{
    return date->valid && c->target.etag != NULL && c->target.modified != CONDITIONS_NO_TIME;
}

static bool unmodified_since_holds(const struct conditions *c)
{
    return !has_dates(c, &c->unmodified_since) || c->target.modified <= c->unmodified_since.seconds;
}

static bool modified_since_holds(const struct conditions *c)
{
    return !has_dates(c, &c->modified_since) || c->target.modified > c->modified_since.seconds;
}

enum conditions_outcome conditions_outcome(const struct conditions *c, bool is_read)
{
    if (is_malformed(&c->match) || is_malformed(&c->none_match))
        return CONDITIONS_MALFORMED;
    if (c->match.given ? !match_holds(c) : !unmodified_since_holds(c))
        return CONDITIONS_FAIL;
    if (c->none_match.given) {
        if (!none_match_holds(c))
            return is_read ? CONDITIONS_NOT_MODIFIED : CONDITIONS_FAIL;
    } else if (is_read && !modified_since_holds(c)) {
        return CONDITIONS_NOT_MODIFIED;
    }
    return CONDITIONS_HOLD;
}
