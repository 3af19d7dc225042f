/* What a request's head says of its body. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/access/internal.h"
#include "index/access/payload.h"

#define WHITE     " \t"
#define STREAMING "STREAMING-"
#define CODING    "aws-chunked"
#define TRAILER   "x-amz-checksum-"

/* The forms of x-amz-content-sha256 but for a hash. */
static const struct form {
    const char *name;
    bool is_chunked;
    bool is_signed;
    bool signs_trailer;
} forms[] = {
    {"UNSIGNED-PAYLOAD", false, false, false},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", true, true, false},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", true, true, true},
    {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", true, false, false},
};

static const struct form *find_form(const char *text)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strcmp(forms[i].name, text) == 0)
            return &forms[i];
    }
    return NULL;
}

static bool is_hash(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

/* Takes a word of a list off the front, with the comma after it. Its length. */
static size_t next_coding(const char **at, const char **word)
{
    size_t len;

    *at += strspn(*at, WHITE ",");
    *word = *at;
    len = strcspn(*at, ",");
    *at += len;
    while (len > 0 && strchr(WHITE, (*word)[len - 1]) != NULL)
        len--;
    return len;
}

static bool is_chunked_coding(const char *word, size_t len)
{
    return len == strlen(CODING) && strncasecmp(word, CODING, len) == 0;
}

static bool names_coding(const char *encoding)
{
    const char *word;
    size_t len;

    while ((len = next_coding(&encoding, &word)) > 0) {
        if (is_chunked_coding(word, len))
            return true;
    }
    return false;
}

static enum access_result read_length(const struct access_request *request, int64_t *length)
{
    const char *text = access_header(request, "x-amz-decoded-content-length");

    *length = -1;
    if (text == NULL)
        return ACCESS_OK;
    if (*text == '\0' || strlen(text) > 18 || text[strspn(text, "0123456789")] != '\0')
        return ACCESS_BAD_LENGTH;
    *length = strtoll(text, NULL, 10);
    return ACCESS_OK;
}

/* One checksum may follow the last chunk. */
static enum access_result read_trailer(const struct access_request *request, struct payload *p)
{
    const char *text = access_header(request, "x-amz-trailer");
    size_t len;

    if (text == NULL)
        return ACCESS_OK;
    len = strlen(text);
    if (len > PAYLOAD_TRAILER_MAX || strncasecmp(text, TRAILER, strlen(TRAILER)) != 0)
        return ACCESS_BAD_ANNOUNCEMENT;
    for (size_t i = 0; i < len; i++)
        p->trailer[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
    if (strspn(p->trailer, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
        return ACCESS_BAD_ANNOUNCEMENT;
    return ACCESS_OK;
}

static enum access_result begin_chunks(struct payload *p, const struct form *form,
                                       const struct access_auth *auth)
{
    p->state = PAYLOAD_HEAD;
    if (p->is_streaming && p->decoded_length < 0)
        return ACCESS_NO_LENGTH;
    p->signs_trailer = form != NULL && form->signs_trailer;
    if (form == NULL || !form->is_signed || auth == NULL)
        return ACCESS_OK;
    if (auth->scheme != ACCESS_V4)
        return ACCESS_UNSIGNED_PAYLOAD;
    p->is_verified = true;
    memcpy(p->signature, auth->signature, sizeof(p->signature));
    memcpy(p->key, auth->signing_key, sizeof(p->key));
    memcpy(p->date, auth->date, sizeof(p->date));
    memcpy(p->scope, auth->scope, sizeof(p->scope));
    return ACCESS_OK;
}

static void begin_hash(struct payload *p, const char *hash)
{
    p->is_hashed = true;
    memcpy(p->hash, hash, sizeof(p->hash));
    sha256_begin(&p->sha256);
}

static enum access_result read_head(struct payload *p, const struct access_request *request,
                                    const struct access_auth *auth)
{
    const char *encoding = access_header(request, "Content-Encoding");
    const char *hash = access_header(request, "x-amz-content-sha256");
    const struct form *form;
    enum access_result result;

    if (auth != NULL && auth->scheme == ACCESS_V4)
        hash = auth->payload;
    if (hash != NULL && strncmp(hash, "STREAMING-AWS4-ECDSA-", 21) == 0)
        return ACCESS_UNSUPPORTED_PAYLOAD;
    form = hash != NULL ? find_form(hash) : NULL;
    if (hash != NULL && form == NULL && !is_hash(hash))
        return ACCESS_BAD_PAYLOAD_HASH;
    result = read_length(request, &p->decoded_length);
    if (result != ACCESS_OK)
        return result;
    p->is_streaming = form != NULL && form->is_chunked;
    p->is_chunked = p->is_streaming || p->decoded_length >= 0;
    if (!p->is_chunked && (hash == NULL || form != NULL) && encoding != NULL &&
        names_coding(encoding))
        p->is_chunked = p->may_be_empty = true;
    if (hash != NULL && form == NULL)
        begin_hash(p, hash);
    if (!p->is_chunked) {
        p->state = PAYLOAD_PLAIN;
        return ACCESS_OK;
    }
    result = read_trailer(request, p);
    return result == ACCESS_OK ? begin_chunks(p, form, auth) : result;
}

enum access_result payload_init(struct payload *payload, const struct access_request *request,
                                const struct access_auth *auth)
{
    enum access_result result;

    memset(payload, 0, sizeof(*payload));
    result = read_head(payload, request, auth);
    if (result != ACCESS_OK)
        payload_deinit(payload);
    return result;
}

void payload_deinit(struct payload *payload)
{
    OPENSSL_cleanse(payload, sizeof(*payload));
}
