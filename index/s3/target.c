#include "index/s3/target.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "index/base/percent.h"
#include "index/base/text.h"

/* Decodes the bytes from `at` to `end`. S3_OK, or what is wrong. */
static enum s3_error decode(const char *at, const char *end, char *out, size_t max, size_t *len)
{
    int rc = percent_decode(at, (size_t)(end - at), out, max, len);

    return rc == 0 ? S3_OK : rc == -EMSGSIZE ? S3_KEY_TOO_LONG : S3_INVALID_URI;
}

/* The length of the bucket's name at the beginning of the host's; 0 if it hasn't that form. */
static size_t host_bucket_length(const char *host, const char *domain)
{
    size_t len = host != NULL ? strcspn(host, ": \t") : 0;
    size_t domain_len = domain != NULL ? strlen(domain) : 0;

    if (domain_len == 0 || len < domain_len + 2 ||
        strncasecmp(host + len - domain_len, domain, domain_len) != 0 ||
        host[len - domain_len - 1] != '.')
        return 0;
    return len - domain_len - 1;
}

static enum s3_error set_bucket(struct target *target, size_t len)
{
    if (!bucket_name_is_usable(target->bucket, len))
        return S3_INVALID_BUCKET_NAME;
    target->bucket[len] = '\0';
    target->bucket_len = len;
    return S3_OK;
}

static enum s3_error take_host(struct target *target, const char *host, size_t len)
{
    if (len > BUCKET_NAME_MAX)
        return S3_INVALID_BUCKET_NAME;
    for (size_t i = 0; i < len; i++) /* hosts are the same in either case, buckets aren't */
        target->bucket[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] + 32 : host[i]);
    target->host_has_bucket = true;
    return set_bucket(target, len);
}

/* Takes the first component off the path. */
static enum s3_error take_component(struct target *target, const char **at, const char *end)
{
    const char *slash = memchr(*at, '/', (size_t)(end - *at));
    const char *stop = slash != NULL ? slash : end;
    size_t len;
    enum s3_error error = decode(*at, stop, target->bucket, BUCKET_NAME_MAX, &len);

    if (error == S3_KEY_TOO_LONG)
        return S3_INVALID_BUCKET_NAME;
    *at = slash != NULL ? slash + 1 : end;
    return error != S3_OK ? error : set_bucket(target, len);
}

static_assert(1 + BUCKET_NAME_MAX + 1 < KEY_MAX, "there is room for a key after the bucket");

static enum s3_error take_key(struct target *target, const char *at, const char *end)
{
    struct key *key = &target->key;
    size_t before = target->bucket_len + 2;
    size_t max = KEY_MAX - before < S3_KEY_MAX ? KEY_MAX - before : S3_KEY_MAX;
    enum s3_error error = decode(at, end, key->bytes + before, max, &target->key_len);

    key->bytes[0] = key->bytes[before - 1] = '/';
    memcpy(key->bytes + 1, target->bucket, target->bucket_len);
    key->len = before + target->key_len;
    return error;
}

enum s3_error target_parse(const char *path, size_t len, const char *host, const char *domain,
                           struct target *target)
{
    const char *end = path + len;
    size_t host_bucket = host_bucket_length(host, domain);
    enum s3_error error = S3_OK;

    target->bucket_len = target->key_len = 0;
    target->bucket[0] = '\0';
    target->host_has_bucket = false;
    if (len == 0 || *path++ != '/')
        return S3_INVALID_URI;
    if (host_bucket > 0)
        error = take_host(target, host, host_bucket);
    else if (path < end)
        error = take_component(target, &path, end);
    return error != S3_OK || target->bucket_len == 0 ? error : take_key(target, path, end);
}

bool target_is_utf8(const struct target *target)
{
    return text_is_utf8(target_key(target), target->key_len);
}
