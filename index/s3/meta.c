#include "index/s3/meta.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "index/access/params.h"
#include "index/base/hex.h"
#include "index/s3/parts.h"

#define USER_PREFIX     "x-amz-meta-"
#define USER_PREFIX_LEN (sizeof(USER_PREFIX) - 1)
#define WHITE           " \t"
#define COMPOSITE       " composite" /* after the name of a checksum */

/* Headers that are kept as they come, and the names of their lines. */
static const struct {
    const char *line;
    const char *header;
} kept_headers[] = {
    {"type", "Content-Type"},
    {"cache", "Cache-Control"},
    {"disposition", "Content-Disposition"},
    {"encoding", "Content-Encoding"},
    {"language", "Content-Language"},
    {"expires", "Expires"},
};

#define N_KEPT (sizeof(kept_headers) / sizeof(kept_headers[0]))

/* --- Lines ----------------------------------------------------------------------------------- */

static bool is_name(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = name[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return len > 0;
}

static bool is_value(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
            return false;
    }
    return true;
}

static bool has_name(const struct meta_line *line, const char *name)
{
    return line->name_len == strlen(name) && memcmp(line->name, name, line->name_len) == 0;
}

/* Appends a piece of a line, as long as `max` bytes aren't reached. */
static bool append(struct meta *meta, const char *bytes, size_t n, size_t max)
{
    if (n > max - meta->len)
        return false;
    memcpy(meta->bytes + meta->len, bytes, n);
    meta->len += n;
    return true;
}

static bool append_line(struct meta *meta, const struct meta_line *line, size_t max)
{
    return append(meta, line->name, line->name_len, max) && append(meta, "=", 1, max) &&
           append(meta, line->value, line->value_len, max) && append(meta, "\n", 1, max);
}

/* A line of the client's. */
static enum s3_error add_line(struct meta *meta, const struct meta_line *line)
{
    if (!is_name(line->name, line->name_len) || !is_value(line->value, line->value_len))
        return S3_INVALID_ARGUMENT;
    return append_line(meta, line, META_MAX - META_RESERVED) ? S3_OK : S3_METADATA_TOO_LARGE;
}

/* A line of our own, which has its room. */
static void add_text(struct meta *meta, const char *name, const char *text)
{
    struct meta_line line = {name, strlen(name), text, strlen(text)};
    bool added = append_line(meta, &line, META_MAX);

    assert(added);
    (void)added;
}

/* --- A request's head ------------------------------------------------------------------------ */

/* A value in the making: several headers of one name are one list. */
struct value {
    size_t len;
    char bytes[META_MAX];
};

static enum s3_error join(struct value *value, const char *comma, const char *text, size_t len)
{
    const size_t comma_len = value->len > 0 ? strlen(comma) : 0;

    if (len + comma_len > sizeof(value->bytes) - value->len)
        return S3_METADATA_TOO_LARGE;
    memcpy(value->bytes + value->len, comma, comma_len);
    value->len += comma_len;
    memcpy(value->bytes + value->len, text, len);
    value->len += len;
    return S3_OK;
}

/* Joins the members of the list but "aws-chunked", which is how the body came and no more. */
static enum s3_error join_encodings(struct value *value, const char *list)
{
    static const char framing[] = "aws-chunked";
    enum s3_error error = S3_OK;

    while (*list != '\0' && error == S3_OK) {
        size_t len = strcspn(list, ",");
        const char *next = list + len + (list[len] == ',');
        size_t white = strspn(list, WHITE);

        list += white;
        len = len > white ? len - white : 0;
        while (len > 0 && strchr(WHITE, list[len - 1]) != NULL)
            len--;
        if (len > 0 && (len != sizeof(framing) - 1 || strncasecmp(list, framing, len) != 0))
            error = join(value, ", ", list, len);
        list = next;
    }
    return error;
}

static enum s3_error add_encoding(struct meta *meta, const struct http_request *request)
{
    struct value value = {.len = 0};
    const char *text;
    const char *name;
    enum s3_error error = S3_OK;

    for (unsigned i = 0; error == S3_OK; i++) {
        text = http_request_header_at(request, i, &name);
        if (text == NULL)
            break;
        if (strcasecmp(name, "Content-Encoding") == 0)
            error = join_encodings(&value, text);
    }
    if (error != S3_OK || value.len == 0)
        return error;
    return add_line(meta, &(struct meta_line){"encoding", 8, value.bytes, value.len});
}

static enum s3_error add_kept(struct meta *meta, const struct http_request *request)
{
    enum s3_error error = S3_OK;

    for (size_t i = 0; i < N_KEPT && error == S3_OK; i++) {
        const char *line = kept_headers[i].line;
        const char *text = http_request_header(request, kept_headers[i].header);

        if (strcmp(line, "encoding") == 0)
            error = add_encoding(meta, request);
        else if (text != NULL && *text != '\0')
            error = add_line(meta, &(struct meta_line){line, strlen(line), text, strlen(text)});
    }
    return error;
}

/* The name of a header at `index` of user metadata, without the prefix; NULL: it is none. */
static const char *user_name(const struct http_request *request, unsigned index, const char **text)
{
    const char *name;

    *text = http_request_header_at(request, index, &name);
    if (*text == NULL || strncasecmp(name, USER_PREFIX, USER_PREFIX_LEN) != 0)
        return NULL;
    return name + USER_PREFIX_LEN;
}

static bool was_before(const struct http_request *request, unsigned index, const char *name)
{
    const char *text;

    for (unsigned i = 0; i < index; i++) {
        const char *other = user_name(request, i, &text);

        if (other != NULL && strcasecmp(other, name) == 0)
            return true;
    }
    return false;
}

/* What it takes of META_USER_MAX comes off *left. */
static enum s3_error add_user_line(struct meta *meta, const char *name, const char *value,
                                   size_t value_len, size_t *left)
{
    const size_t len = strlen(name);
    char line_name[2 + META_USER_MAX + 1];
    struct meta_line line;

    if (len == 0)
        return S3_INVALID_ARGUMENT;
    if (value_len > *left || len > *left - value_len)
        return S3_METADATA_TOO_LARGE;
    *left -= len + value_len;
    strcpy(line_name, "x-");
    for (size_t i = 0; i <= len; i++) {
        char c = name[i];

        line_name[2 + i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    if (meta_find(meta->bytes, meta->len, line_name, &line)) /* in the head, and in the query */
        return S3_INVALID_ARGUMENT;
    return add_line(meta, &(struct meta_line){line_name, 2 + len, value, value_len});
}

/* Adds the line of the header at `index`, the first of that name, and of all others of it. */
static enum s3_error add_user_header(struct meta *meta, const struct http_request *request,
                                     unsigned index, const char *name, size_t *left)
{
    struct value value = {.len = 0};
    enum s3_error error = S3_OK;
    const char *text = "";

    for (unsigned i = index; error == S3_OK && text != NULL; i++) {
        const char *other = user_name(request, i, &text);

        if (other != NULL && strcasecmp(other, name) == 0)
            error = join(&value, ",", text, strlen(text));
    }
    return error == S3_OK ? add_user_line(meta, name, value.bytes, value.len, left) : error;
}

static enum s3_error add_user_headers(struct meta *meta, const struct http_request *request,
                                      size_t *left)
{
    enum s3_error error = S3_OK;
    const char *text = "";

    for (unsigned i = 0; error == S3_OK && text != NULL; i++) {
        const char *name = user_name(request, i, &text);

        if (name != NULL && !was_before(request, i, name))
            error = add_user_header(meta, request, i, name, left);
    }
    return error;
}

static enum s3_error add_user_parameter(struct meta *meta, const struct param *param, size_t *left)
{
    char name[META_USER_MAX + 1];
    char value[META_USER_MAX + 1];
    int name_len;
    int len;

    if (param->name_len < USER_PREFIX_LEN ||
        strncasecmp(param->name, USER_PREFIX, USER_PREFIX_LEN) != 0)
        return S3_OK;
    name_len = param_decode(param->name + USER_PREFIX_LEN, param->name_len - USER_PREFIX_LEN, name,
                            sizeof(name));
    len = param_decode(param->value, param->value_len, value, sizeof(value));
    if (name_len == -EMSGSIZE || len == -EMSGSIZE)
        return S3_METADATA_TOO_LARGE;
    if (name_len < 0 || len < 0)
        return S3_INVALID_ARGUMENT;
    return add_user_line(meta, name, value, (size_t)len, left);
}

/* SDKs make parameters of headers when they presign. */
static enum s3_error add_user_parameters(struct meta *meta, const struct http_request *request,
                                         size_t *left)
{
    enum s3_error error = S3_OK;
    struct params params;
    size_t len;
    const char *query = http_request_query(request, &len);
    int rc = params_init(&params, query, len);

    for (size_t i = 0; rc == 0 && error == S3_OK && i < params.n; i++)
        error = add_user_parameter(meta, &params.at[i], left);
    params_deinit(&params);
    if (rc < 0)
        return rc == -E2BIG ? S3_INVALID_ARGUMENT : S3_SERVICE_UNAVAILABLE;
    return error;
}

enum s3_error meta_add_request(struct meta *meta, const struct http_request *request)
{
    size_t left = META_USER_MAX;
    enum s3_error error = add_kept(meta, request);

    if (error == S3_OK)
        error = add_user_headers(meta, request, &left);
    return error == S3_OK ? add_user_parameters(meta, request, &left) : error;
}

/* --- Other lines ----------------------------------------------------------------------------- */

enum s3_error meta_add_client_lines(struct meta *meta, const char *bytes, size_t len)
{
    char name[META_HEADER_MAX];
    enum s3_error error = S3_OK;
    struct meta_line line;
    size_t at = 0;

    while (error == S3_OK && meta_next(bytes, len, &at, &line)) {
        if (meta_header(&line, name))
            error = add_line(meta, &line);
    }
    return error;
}

void meta_add_etag(struct meta *meta, const unsigned char md5[RECORD_MD5_SIZE], unsigned n)
{
    char text[META_ETAG_SIZE];

    hex_write(md5, RECORD_MD5_SIZE, text);
    snprintf(text + 2 * RECORD_MD5_SIZE, sizeof(text) - 2 * RECORD_MD5_SIZE, "-%u", n);
    add_text(meta, "etag", text);
}

void meta_add_location(struct meta *meta, const char *location)
{
    add_text(meta, "location", location);
}

void meta_add_checksum(struct meta *meta, enum checksum_kind kind,
                       const unsigned char bytes[CHECKSUM_SIZE_MAX], unsigned n_parts)
{
    char text[CHECKSUM_TEXT_MAX];

    checksum_format(kind, bytes, n_parts, text);
    add_text(meta, checksum_line(kind), text);
}

void meta_add_parts(struct meta *meta, const uint64_t *sizes, unsigned n)
{
    static const char name[] = "parts=";
    const size_t end = 1; /* the newline */
    bool added = append(meta, name, sizeof(name) - 1, META_MAX - PARTS_TEXT_MIN - end);

    assert(added);
    (void)added;
    meta->len +=
        parts_format(sizes, n, meta->bytes + meta->len, sizeof(meta->bytes) - meta->len - end);
    meta->bytes[meta->len++] = '\n';
}

void meta_add_algorithm(struct meta *meta, enum checksum_kind kind, bool is_composite)
{
    char text[32];

    if (kind == CHECKSUM_NONE)
        return;
    snprintf(text, sizeof(text), "%s%s", checksum_line(kind), is_composite ? COMPOSITE : "");
    add_text(meta, "algorithm", text);
}

void meta_add_upload(struct meta *meta, const char *id)
{
    add_text(meta, "upload", id);
}

/* --- Reading --------------------------------------------------------------------------------- */

bool meta_next(const char *bytes, size_t len, size_t *at, struct meta_line *line)
{
    while (*at < len) {
        const char *start = bytes + *at;
        const char *newline = memchr(start, '\n', len - *at);
        const char *end = newline != NULL ? newline : bytes + len;
        const char *sign = memchr(start, '=', (size_t)(end - start));

        *at = (size_t)(end - bytes) + (newline != NULL);
        if (sign == NULL || !is_name(start, (size_t)(sign - start)) ||
            !is_value(sign + 1, (size_t)(end - sign - 1)))
            continue;
        *line = (struct meta_line){
            .name = start,
            .name_len = (size_t)(sign - start),
            .value = sign + 1,
            .value_len = (size_t)(end - sign - 1),
        };
        return true;
    }
    return false;
}

bool meta_find(const char *bytes, size_t len, const char *name, struct meta_line *line)
{
    size_t at = 0;

    while (meta_next(bytes, len, &at, line)) {
        if (has_name(line, name))
            return true;
    }
    return false;
}

bool meta_header(const struct meta_line *line, char name[META_HEADER_MAX])
{
    for (size_t i = 0; i < N_KEPT; i++) {
        if (has_name(line, kept_headers[i].line)) {
            strcpy(name, kept_headers[i].header);
            return true;
        }
    }
    if (line->name_len <= 2 || line->name_len > META_MAX || memcmp(line->name, "x-", 2) != 0)
        return false;
    memcpy(name, USER_PREFIX, USER_PREFIX_LEN);
    memcpy(name + USER_PREFIX_LEN, line->name + 2, line->name_len - 2);
    name[USER_PREFIX_LEN + line->name_len - 2] = '\0';
    return true;
}

enum checksum_kind meta_checksum(const char *bytes, size_t len, struct meta_line *line)
{
    size_t at = 0;

    while (meta_next(bytes, len, &at, line)) {
        enum checksum_kind kind = checksum_of_line(line->name, line->name_len);

        if (kind != CHECKSUM_NONE)
            return kind;
    }
    return CHECKSUM_NONE;
}

enum checksum_kind meta_algorithm(const char *bytes, size_t len, bool *is_composite)
{
    const size_t tail = sizeof(COMPOSITE) - 1;
    struct meta_line line;

    *is_composite = false;
    if (!meta_find(bytes, len, "algorithm", &line))
        return CHECKSUM_NONE;
    if (line.value_len > tail && memcmp(line.value + line.value_len - tail, COMPOSITE, tail) == 0) {
        *is_composite = true;
        line.value_len -= tail;
    }
    return checksum_of_line(line.value, line.value_len);
}

/* '-' is none of base64's digits. */
bool meta_checksum_is_composite(const struct meta_line *line)
{
    return memchr(line->value, '-', line->value_len) != NULL;
}

static bool is_etag(const struct meta_line *line)
{
    for (size_t i = 0; i < line->value_len; i++) {
        if (line->value[i] == '\0' || strchr("0123456789abcdef-", line->value[i]) == NULL)
            return false;
    }
    return line->value_len > 0 && line->value_len <= META_ETAG_SIZE - 3;
}

void meta_etag(const char *bytes, size_t len, const struct record *record,
               char etag[META_ETAG_SIZE])
{
    char md5[2 * RECORD_MD5_SIZE + 1];
    struct meta_line line;

    if (meta_find(bytes, len, "etag", &line) && is_etag(&line)) {
        snprintf(etag, META_ETAG_SIZE, "\"%.*s\"", (int)line.value_len, line.value);
    } else if (record->flags & RECORD_MD5) {
        hex_write(record->md5, RECORD_MD5_SIZE, md5);
        snprintf(etag, META_ETAG_SIZE, "\"%s\"", md5);
    } else {
        snprintf(etag, META_ETAG_SIZE, "\"%llx-%llx\"", (unsigned long long)record->time,
                 (unsigned long long)record->size);
    }
}
