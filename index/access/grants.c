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
        default:
            return "the rights of a grant are letters of r, w and c";
        }
    }
    return len > 0 ? NULL : "a grant needs rights before its colon";
}

const char *grant_parse(char *text, struct grant *grant)
{
    char *bucket = strchr(text, ':');
    const char *wrong;
    char *slash;
    int rc = 0;

    memset(grant, 0, sizeof(*grant));
    if (bucket == NULL)
        return "a grant is RIGHTS:BUCKET, RIGHTS:BUCKET/PREFIX or RIGHTS:*";
    wrong = parse_rights(text, (size_t)(bucket - text), &grant->rights);
    if (wrong != NULL)
        return wrong;
    bucket++;
    if (strcmp(bucket, "*") == 0)
        return NULL;
    grant->bucket = bucket;
    slash = strchr(bucket, '/');
    if (slash != NULL) {
        *slash = '\0';
        grant->prefix = slash + 1;
        rc = percent_decode(slash + 1, strlen(slash + 1), slash + 1, strlen(slash + 1),
                            &grant->prefix_len);
    }
    if (*bucket == '\0' || bucket[strspn(bucket, BUCKET_CHARACTERS)] != '\0')
        return "a grant's bucket is a name of letters, digits, '.', '-' and '_', or * alone";
    if (rc < 0)
        return "in a grant's prefix % stands before two hexadecimal digits, %25 for itself";
    if ((grant->rights & ACCESS_BUCKETS) != 0 && grant->prefix_len > 0)
        return "the right c is one to a whole bucket, without a prefix";
    return NULL;
}

bool grant_allows(const struct grant *grant, enum access_right right, const char *bucket,
                  const char *key, size_t key_len)
{
    if ((grant->rights & right) == 0)
        return false;
    if (grant->bucket == NULL)
        return true;
    return strcmp(grant->bucket, bucket) == 0 && key_len >= grant->prefix_len &&
           (grant->prefix_len == 0 || memcmp(key, grant->prefix, grant->prefix_len) == 0);
}
