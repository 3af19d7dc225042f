/* The text that a signature of version 4 is made of. The path is there as it was sent, the query
 * sorted and encoded anew (params.c), headers as SignedHeaders lists them. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "index/access/internal.h"

#define HEADER_MAX 255 /* characters of a header's name */
#define SIGNED_MAX 128 /* names of headers; a request of ours has fewer */

static bool is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (;;) {
        size_t here = strcspn(list, ";");

        if (here == len && strncasecmp(list, name, len) == 0)
            return true;
        if (list[here] == '\0')
            return false;
        list += here + 1;
    }
}

/* Whether the name, in the list, is there before. */
static bool is_repeated(const char *list, const char *name, size_t len)
{
    for (const char *at = list; at < name; at += strcspn(at, ";") + 1) {
        if (strcspn(at, ";") == len && memcmp(at, name, len) == 0)
            return true;
    }
    return false;
}

bool canonical_is_list(const char *list)
{
    unsigned n = 0;

    for (const char *at = list;; at++) {
        size_t len = strcspn(at, ";");

        if (++n > SIGNED_MAX || is_repeated(list, at, len))
            return false;
        at += len;
        if (*at == '\0')
            return true;
    }
}

/* x-amz-content-sha256 needn't be listed: it is the canonical request's last line anyway. */
bool canonical_signs_enough(const struct access_request *request, const char *list)
{
    const char *name;

    if (!is_listed(list, "host"))
        return false;
    for (unsigned i = 0; request->header_at(request->arg, i, &name) != NULL; i++) {
        if (strncasecmp(name, "x-amz-", 6) == 0 && strcasecmp(name, "x-amz-content-sha256") != 0 &&
            !is_listed(list, name))
            return false;
    }
    return true;
}

static int append_query(const struct params *params, struct buf *out)
{
    bool is_first = true;
    int rc = 0;

    for (size_t i = 0; i < params->n && rc == 0; i++) {
        const struct param *param = &params->at[i];

        if (param->name_len == 15 && memcmp(param->name, "X-Amz-Signature", 15) == 0)
            continue;
        if (!is_first)
            rc = buf_append(out, "&", 1);
        is_first = false;
        rc = rc < 0 ? rc : buf_append(out, param->name, param->name_len);
        rc = rc < 0 ? rc : buf_append(out, "=", 1);
        rc = rc < 0 ? rc : buf_append(out, param->value, param->value_len);
    }
    return rc;
}

/* A header that is missing has no value; but for one that a client may have signed and that the
 * server before us takes away, since it does what it asks for. */
static int append_header(const struct access_request *request, const char *name, bool collapse,
                         struct buf *out)
{
    int rc = access_append_header(request, name, collapse, out);

    if (rc == -ENOENT)
        rc = buf_append_string(out, strcmp(name, "expect") == 0 ? "100-continue" : "");
    return rc;
}

/* "NAME:VALUE\n" of each signed header, in the list's order. */
static int append_headers(const struct access_request *request, const char *list, bool collapse,
                          struct buf *out)
{
    char name[HEADER_MAX + 1];
    int rc = 0;

    for (const char *at = list; rc == 0;) {
        size_t len = strcspn(at, ";");

        if (len > HEADER_MAX)
            return 0; /* there is no such header, and the signature will be another one */
        memcpy(name, at, len);
        name[len] = '\0';
        rc = buf_append_format(out, "%s:", name);
        rc = rc < 0 ? rc : append_header(request, name, collapse, out);
        rc = rc < 0 ? rc : buf_append(out, "\n", 1);
        if (at[len] == '\0')
            break;
        at += len + 1;
    }
    return rc;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~/", c) != NULL);
}

static int append_encoded(const char *path, size_t len, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; i < len && rc == 0; i++) {
        if (is_unreserved(path[i]))
            rc = buf_append(out, path + i, 1);
        else
            rc = buf_append_format(out, "%%%02X", (unsigned char)path[i]);
    }
    return rc;
}

int canonical_append(const struct access_request *request, const struct params *params,
                     const char *list, const char *payload, unsigned form, struct buf *out)
{
    int rc = buf_append_format(out, "%s\n", request->method);

    if (rc == 0)
        rc = form & CANONICAL_ENCODED ? append_encoded(request->path, request->path_len, out)
                                      : buf_append(out, request->path, request->path_len);
    rc = rc < 0 ? rc : buf_append(out, "\n", 1);
    rc = rc < 0 ? rc : append_query(params, out);
    rc = rc < 0 ? rc : buf_append(out, "\n", 1);
    rc = rc < 0 ? rc : append_headers(request, list, (form & CANONICAL_COLLAPSED) != 0, out);
    return rc < 0 ? rc : buf_append_format(out, "\n%s\n%s", list, payload);
}
