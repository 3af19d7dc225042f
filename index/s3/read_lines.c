#include "index/s3/read_lines.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "index/s3/meta.h"

/* These reach the client from the index's own head, even if the front goes on by a redirect: nginx
 * keeps the first four, and its config the others. */
static bool travels_alone(const char *name)
{
    static const char *const names[] = {
        "Content-Type", "Content-Disposition", "Cache-Control", "Expires", "ETag", "Last-Modified"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* A token: RFC 9110, section 5.6.2. */
static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "!#$%&'*+-.^_`|~";

    return *name != '\0' && name[strspn(name, allowed)] == '\0';
}

static bool is_value(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
            return false;
    }
    return true;
}

/* Bytes that mean themselves in a redirect, to nginx and to its config's regular expression. */
static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~/=,+: ", c) != NULL);
}

#define MISSING "%%0D%%0Ax-amz-missing-meta: %u"

/* Of the head that goes to the front. There is always room for a line that says how many others
 * there wasn't room for. */
static bool has_room(const struct read_lines *lines, size_t len)
{
    const size_t max = sizeof(lines->uri) - sizeof(MISSING) - 10;

    return len <= max - lines->len - lines->head_len;
}

static bool put(struct read_lines *lines, const char *text, size_t len)
{
    if (!has_room(lines, len))
        return false;
    memcpy(lines->uri + lines->len, text, len);
    lines->len += len;
    return true;
}

static bool put_string(struct read_lines *lines, const char *text)
{
    return put(lines, text, strlen(text));
}

static bool put_encoded(struct read_lines *lines, const char *bytes, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        const char code[3] = {'%', digits[byte >> 4], digits[byte & 15]};

        if (is_plain(bytes[i]) ? !put(lines, bytes + i, 1) : !put(lines, code, sizeof(code)))
            return false;
        if (byte != '/' || len - i < 3 || bytes[i + 1] != '.' || bytes[i + 2] != '.')
            continue;
        if (lines->breaks == READ_LINES_BREAKS || !put_string(lines, "%01"))
            return false;
        lines->breaks++;
    }
    return true;
}

static void add_to_redirect(struct read_lines *lines, const char *name, const char *value,
                            size_t len)
{
    const size_t before = lines->len;
    const unsigned breaks = lines->breaks;

    if (put_string(lines, "%0D%0A") && put_encoded(lines, name, strlen(name)) &&
        put_string(lines, ": ") && put_encoded(lines, value, len))
        return;
    lines->len = before;
    lines->breaks = breaks;
    lines->missing++;
}

static void add_to_head(struct read_lines *lines, const char *name, const char *value, size_t len)
{
    const size_t line = strlen(name) + strlen(": \r\n") + len;
    char text[META_MAX + 1];

    if (len >= sizeof(text))
        return;
    if (lines->by_front && !has_room(lines, line)) {
        lines->missing++;
        return;
    }
    lines->head_len += line;
    memcpy(text, value, len);
    text[len] = '\0';
    http_add_header(lines->request, name, text);
}

void read_lines_begin(struct read_lines *lines, struct http_request *request, const char *address,
                      const char *path)
{
    bool fits = true;

    lines->request = request;
    lines->by_front = address != NULL;
    lines->breaks = lines->missing = 0;
    lines->len = lines->head_len = 0;
    if (lines->by_front)
        fits = put_string(lines, "/_mkv/object/") && put_string(lines, address) &&
               put_string(lines, path);
    assert(fits);
    (void)fits;
}

void read_lines_add(struct read_lines *lines, const char *name, const char *value, size_t len)
{
    if (!is_name(name) || !is_value(value, len))
        return;
    if (lines->by_front && !travels_alone(name))
        add_to_redirect(lines, name, value, len);
    else
        add_to_head(lines, name, value, len);
}

void read_lines_redirect(struct read_lines *lines)
{
    lines->uri[lines->len] = '\0';
    if (lines->missing > 0) /* as S3 says it of what a header can't hold */
        snprintf(lines->uri + lines->len, sizeof(lines->uri) - lines->len, MISSING, lines->missing);
    http_add_header(lines->request, "X-Accel-Redirect", lines->uri);
    http_respond(lines->request, 200, "", 0);
}
