/* payload_next() goes from state to state over the bytes that there are:
 *
 *     HEAD -> DATA -> DATA_END -> HEAD ... -> HEAD of 0 bytes -> TRAILER -> DONE
 *
 * What fails stays failed. */
#include "index/access/payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/access/internal.h"
#include "index/base/hex.h"

#define EXTENSION   ";chunk-signature="
#define WHITE       " \t"
#define SIZE_DIGITS 15 /* of a chunk's length: beyond any value's */

static enum access_result fail(struct payload *p, enum access_result failure)
{
    p->state = PAYLOAD_FAILED;
    p->failure = failure;
    return failure;
}

/* --- Signatures ------------------------------------------------------------------------------ */

/* Whether `given` is what signs the text; it is what the next signature is made from. */
static bool verify(struct payload *p, const char *text, int len, const char *given)
{
    unsigned char mac[SHA256_SIZE];
    char signature[SHA256_HEX_SIZE];

    sha256_hmac(p->key, sizeof(p->key), text, (size_t)len, mac);
    hex_write(mac, sizeof(mac), signature);
    memcpy(p->signature, signature, sizeof(p->signature));
    return access_same(signature, given);
}

/* The chunk's last byte is there. */
static enum access_result finish_chunk(struct payload *p)
{
    unsigned char hash[SHA256_SIZE];
    char digits[SHA256_HEX_SIZE];
    char text[512];
    int len;

    if (!p->is_verified)
        return ACCESS_OK;
    sha256_finish(&p->sha256, hash);
    hex_write(hash, sizeof(hash), digits);
    len = snprintf(text, sizeof(text), "AWS4-HMAC-SHA256-PAYLOAD\n%s\n%s\n%s\n" EMPTY_HASH "\n%s",
                   p->date, p->scope, p->signature, digits);
    return verify(p, text, len, p->chunk_signature) ? ACCESS_OK : fail(p, ACCESS_MISMATCH);
}

static enum access_result verify_trailer(struct payload *p, const char *signature)
{
    char digits[SHA256_HEX_SIZE];
    char text[512];
    int len = 0;

    if (!p->is_verified)
        return ACCESS_OK;
    if (p->has_trailer)
        len = snprintf(text, sizeof(text), "%s:%s\n", p->trailer, p->value);
    sha256_hex(text, (size_t)len, digits);
    len = snprintf(text, sizeof(text), "AWS4-HMAC-SHA256-TRAILER\n%s\n%s\n%s\n%s", p->date,
                   p->scope, p->signature, digits);
    return verify(p, text, len, signature) ? ACCESS_OK : fail(p, ACCESS_MISMATCH);
}

/* --- Lines ----------------------------------------------------------------------------------- */

/* Collects a line, and ends it with a NUL in place of its end, "\n" or "\r\n". 1 when it is whole,
 * 0 when bytes are missing, -1 when it is too long or has a NUL. */
static int take_line(struct payload *p, const char **at, const char *end)
{
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    size_t n = (size_t)((newline != NULL ? newline : end) - *at);

    if (n > PAYLOAD_LINE_MAX - p->line_len)
        return -1;
    memcpy(p->line + p->line_len, *at, n);
    p->line_len += n;
    *at += n + (newline != NULL);
    if (newline == NULL)
        return 0;
    if (p->line_len > 0 && p->line[p->line_len - 1] == '\r')
        p->line_len--;
    n = p->line_len;
    p->line[n] = '\0';
    p->line_len = 0;
    return strlen(p->line) == n ? 1 : -1;
}

/* "HEX" or "HEX;chunk-signature=SIGNATURE"; what an unsigned chunk's head has after a semicolon
 * means nothing. */
static bool read_chunk_head(struct payload *p)
{
    size_t digits = strspn(p->line, "0123456789abcdefABCDEF");
    const char *rest = p->line + digits;

    if (digits == 0 || digits > SIZE_DIGITS || (*rest != '\0' && *rest != ';'))
        return false;
    p->left = strtoull(p->line, NULL, 16);
    if (p->decoded_length >= 0 && p->left > (uint64_t)p->decoded_length - p->decoded)
        return false;
    if (!p->is_verified)
        return true;
    if (strncmp(rest, EXTENSION, strlen(EXTENSION)) != 0 || strlen(rest + strlen(EXTENSION)) != 64)
        return false;
    memcpy(p->chunk_signature, rest + strlen(EXTENSION), sizeof(p->chunk_signature));
    return true;
}

/* The head of a chunk is in `line`. */
static enum access_result begin_chunk(struct payload *p)
{
    if (!read_chunk_head(p))
        return fail(p, ACCESS_INCOMPLETE);
    if (p->is_verified)
        sha256_begin(&p->sha256);
    p->state = p->left > 0 ? PAYLOAD_DATA : PAYLOAD_TRAILER;
    return p->left > 0 ? ACCESS_OK : finish_chunk(p);
}

/* --- Trailers -------------------------------------------------------------------------------- */

static enum access_result take_checksum(struct payload *p, const char *name, const char *value)
{
    size_t len = strlen(value);

    if (*p->trailer == '\0' || strcasecmp(name, p->trailer) != 0 || p->has_trailer ||
        p->signature_came || len > PAYLOAD_VALUE_MAX)
        return fail(p, ACCESS_BAD_TRAILER);
    memcpy(p->value, value, len + 1);
    p->has_trailer = true;
    p->lacks_trailer = false;
    return ACCESS_OK;
}

/* The empty line ends them, if what was announced is there; some clients send one before that, or
 * before its signature. */
static enum access_result end_trailers(struct payload *p)
{
    bool lacks_trailer = *p->trailer != '\0' && !p->has_trailer;
    bool lacks_signature = p->signs_trailer && p->has_trailer && !p->signature_came;

    p->lacks_trailer = lacks_trailer;
    if (!lacks_trailer && !lacks_signature)
        p->state = PAYLOAD_DONE;
    return ACCESS_OK;
}

/* A line after the last chunk is in `line`. */
static enum access_result take_trailer(struct payload *p)
{
    char *value = strchr(p->line, ':');
    size_t len;

    if (*p->line == '\0')
        return end_trailers(p);
    if (value == NULL)
        return fail(p, ACCESS_BAD_TRAILER);
    *value++ = '\0';
    value += strspn(value, WHITE);
    len = strlen(value);
    while (len > 0 && strchr(WHITE, value[len - 1]) != NULL)
        value[--len] = '\0';
    if (!p->signs_trailer || strcasecmp(p->line, "x-amz-trailer-signature") != 0)
        return take_checksum(p, p->line, value);
    if (p->signature_came)
        return fail(p, ACCESS_BAD_TRAILER);
    p->signature_came = true;
    return verify_trailer(p, value);
}

/* --- Bytes ----------------------------------------------------------------------------------- */

/* A line of one of the two states that read lines. */
static enum access_result step_line(struct payload *p, const char **at, const char *end)
{
    bool is_head = p->state == PAYLOAD_HEAD;
    int rc = take_line(p, at, end);

    if (rc < 0)
        return fail(p, is_head ? ACCESS_INCOMPLETE : ACCESS_BAD_TRAILER);
    if (rc == 0)
        return ACCESS_OK;
    return is_head ? begin_chunk(p) : take_trailer(p);
}

/* "\r\n" after a chunk, which may come byte by byte. */
static enum access_result step_data_end(struct payload *p, const char **at)
{
    char wanted = p->line_len == 0 ? '\r' : '\n';

    if (**at != wanted)
        return fail(p, ACCESS_INCOMPLETE);
    (*at)++;
    p->line_len = wanted == '\r';
    if (wanted == '\n')
        p->state = PAYLOAD_HEAD;
    return ACCESS_OK;
}

static enum access_result step_data(struct payload *p, const char **at, const char *end,
                                    const char **bytes, size_t *len)
{
    size_t n = (size_t)(end - *at);

    if (n > p->left)
        n = (size_t)p->left;
    if (p->is_verified)
        sha256_add(&p->sha256, *at, n);
    p->left -= n;
    if (p->left == 0) {
        p->state = PAYLOAD_DATA_END;
        if (finish_chunk(p) != ACCESS_OK)
            return p->failure;
    }
    p->decoded += n;
    *bytes = *at;
    *len = n;
    *at += n;
    return ACCESS_OK;
}

static enum access_result step_plain(struct payload *p, const char **at, const char *end,
                                     const char **bytes, size_t *len)
{
    *bytes = *at;
    *len = (size_t)(end - *at);
    p->decoded += *len;
    *at = end;
    return ACCESS_OK;
}

/* Nothing but ends of lines, of which some clients send one too many. */
static enum access_result step_done(struct payload *p, const char **at)
{
    if (**at != '\r' && **at != '\n')
        return fail(p, ACCESS_INCOMPLETE);
    (*at)++;
    return ACCESS_OK;
}

enum access_result payload_next(struct payload *p, const char **at, const char *end,
                                const char **bytes, size_t *len)
{
    const char *begin = *at;
    enum access_result result = p->failure;

    *len = 0;
    p->has_begun |= *at < end;
    while (result == ACCESS_OK && *at < end && *len == 0) {
        switch (p->state) {
        case PAYLOAD_PLAIN:
            result = step_plain(p, at, end, bytes, len);
            break;
        case PAYLOAD_HEAD:
        case PAYLOAD_TRAILER:
            result = step_line(p, at, end);
            break;
        case PAYLOAD_DATA:
            result = step_data(p, at, end, bytes, len);
            break;
        case PAYLOAD_DATA_END:
            result = step_data_end(p, at);
            break;
        case PAYLOAD_DONE:
            result = step_done(p, at);
            break;
        case PAYLOAD_FAILED:
            result = p->failure;
            break;
        }
    }
    if (p->is_hashed)
        sha256_add(&p->sha256, begin, (size_t)(*at - begin));
    return result;
}

static bool is_whole(const struct payload *p)
{
    if (p->may_be_empty && !p->has_begun && *p->trailer == '\0')
        return true;
    return p->state == PAYLOAD_DONE &&
           (p->decoded_length < 0 || p->decoded == (uint64_t)p->decoded_length);
}

enum access_result payload_end(struct payload *p)
{
    unsigned char hash[SHA256_SIZE];
    char digits[SHA256_HEX_SIZE];

    if (p->state == PAYLOAD_FAILED)
        return p->failure;
    if (p->lacks_trailer)
        return fail(p, ACCESS_BAD_TRAILER);
    if (p->state != PAYLOAD_PLAIN && !is_whole(p))
        return fail(p, ACCESS_INCOMPLETE);
    if (!p->is_hashed)
        return ACCESS_OK;
    p->is_hashed = false;
    sha256_finish(&p->sha256, hash);
    hex_write(hash, sizeof(hash), digits);
    return access_same(digits, p->hash) ? ACCESS_OK : fail(p, ACCESS_HASH_MISMATCH);
}
