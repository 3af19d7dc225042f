#include "index/access/grants.h"

#include <string.h>

#include "index/base/percent.h"

#define BUCKET_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

static const char *parse_rights(const char *text, size_t len, unsigned *rights)
{
    *rights = 0;
    for (size_t i = 0; i < len; i++) {
        switch (text[i]) {
        case 'r':
            *rights |= ACCESS_READ;
            break;
        case 'w':
            *rights |= ACCESS_WRITE;
            break;
        case 'c':
            *rights |= ACCESS_BUCKETS;
            break;
        case 'a':
            *rights |= ACCESS_ADMIN;
            break;
        default:
            return "the rights of a grant are letters of r, w, c and a";
        }
    }
    return len > 0 ? NULL : "a grant needs rights before its colon";
}

/* Decodes in place. NULL, or what is wrong. */
static const char *parse_prefix(char *text, struct grant *grant)
{
    size_t len = strlen(text);

    grant->prefix = text;
    if (percent_decode(text, len, text, len, &grant->prefix_len) < 0)
        return "in a grant's prefix % stands before two hexadecimal digits, %25 for itself";
    return NULL;
}

static const char *parse_path(char *text, struct grant *grant)
{
    grant->is_path = true;
    if ((grant->rights & ACCESS_BUCKETS) != 0)
        return "the right c is one to a whole bucket, not to keys that begin with /PREFIX";
    return parse_prefix(text, grant);
}

const char *grant_parse(char *text, struct grant *grant)
{
    char *bucket = strchr(text, ':');
    const char *wrong;
    char *slash;

    memset(grant, 0, sizeof(*grant));
    if (bucket == NULL)
        return "a grant is RIGHTS:BUCKET, RIGHTS:BUCKET/PREFIX, RIGHTS:/PREFIX or RIGHTS:*";
    wrong = parse_rights(text, (size_t)(bucket - text), &grant->rights);
    if (wrong != NULL)
        return wrong;
    bucket++;
    if (strcmp(bucket, "*") == 0)
        return NULL;
    if ((grant->rights & ACCESS_ADMIN) != 0)
        return "the right a is one to all of the index, and has a * behind its colon";
    if (*bucket == '/')
        return parse_path(bucket, grant);
    grant->bucket = bucket;
    slash = strchr(bucket, '/');
    if (slash != NULL) {
        *slash = '\0';
        wrong = parse_prefix(slash + 1, grant);
    }
    if (*bucket == '\0' || bucket[strspn(bucket, BUCKET_CHARACTERS)] != '\0')
        return "a grant's bucket is a name of letters, digits, '.', '-' and '_', or * alone";
    if (wrong != NULL)
        return wrong;
    if ((grant->rights & ACCESS_BUCKETS) != 0 && grant->prefix_len > 0)
        return "the right c is one to a whole bucket, without a prefix";
    return NULL;
}

/* Whether the bytes begin with the grant's prefix, less its first `skip` bytes. */
static bool has_prefix(const char *bytes, size_t len, const struct grant *grant, size_t skip)
{
    size_t n = grant->prefix_len > skip ? grant->prefix_len - skip : 0;

    return len >= n && (n == 0 || memcmp(bytes, grant->prefix + skip, n) == 0);
}

/* Of a path: whether "/BUCKET/" begins with the prefix, or the prefix with that. */
bool grant_touches(const struct grant *grant, const char *bucket)
{
    size_t n = strlen(bucket);
    size_t rest = grant->prefix_len;

    if (!grant->is_path)
        return grant->bucket == NULL || strcmp(grant->bucket, bucket) == 0;
    if (rest <= n + 1)
        return rest <= 1 || memcmp(grant->prefix + 1, bucket, rest - 1) == 0;
    return memcmp(grant->prefix + 1, bucket, n) == 0 && grant->prefix[n + 1] == '/';
}

bool grant_allows(const struct grant *grant, enum access_right right, const char *bucket,
                  const char *key, size_t key_len)
{
    if ((grant->rights & right) == 0)
        return false;
    if (grant->is_path)
        return grant_touches(grant, bucket) && has_prefix(key, key_len, grant, strlen(bucket) + 2);
    if (grant->bucket == NULL)
        return true;
    return strcmp(grant->bucket, bucket) == 0 && has_prefix(key, key_len, grant, 0);
}

bool grant_allows_path(const struct grant *grant, enum access_right right, const char *path,
                       size_t len)
{
    const char *slash;

    if ((grant->rights & right) == 0)
        return false;
    if (grant->is_path)
        return has_prefix(path, len, grant, 0);
    if (grant->bucket == NULL)
        return true;
    slash = memchr(path + 1, '/', len - 1);
    return slash != NULL && strlen(grant->bucket) == (size_t)(slash - path - 1) &&
           memcmp(grant->bucket, path + 1, strlen(grant->bucket)) == 0 &&
           has_prefix(slash + 1, (size_t)(path + len - slash - 1), grant, 0);
}
