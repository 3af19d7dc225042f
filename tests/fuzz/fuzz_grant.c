/* "GRANT\nBUCKET\nKEY": a grant that is taken means the same of an object in a bucket and of the
 * native API's key "/BUCKET/KEY"; what it allows for a prefix it allows for what begins with that;
 * and it gives no right that it doesn't name. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/access/grants.h"
#include "tests/support/text_copy.h"

#define PATH_MAX_HERE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const struct grant *grant, enum access_right right, const char *bucket,
                    const char *key, size_t key_len)
{
    static char path[PATH_MAX_HERE];
    size_t n = strlen(bucket) + 2 + key_len;
    bool allows = grant_allows(grant, right, bucket, key, key_len);

    path[0] = '/';
    memcpy(path + 1, bucket, strlen(bucket));
    path[1 + strlen(bucket)] = '/';
    memcpy(path + 2 + strlen(bucket), key, key_len);
    if (grant_allows_path(grant, right, path, n) != allows)
        abort();
    if (!allows)
        return;
    path[n] = 'x';
    if ((grant->rights & right) == 0 || !grant_touches(grant, bucket) ||
        !grant_allows_path(grant, right, path, n + 1))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_copy((const char *)data, size);
    char *bucket = strchr(text, '\n');
    char *key = bucket != NULL ? strchr(bucket + 1, '\n') : NULL;
    struct grant grant;

    if (key != NULL && size < PATH_MAX_HERE / 2) {
        *bucket++ = '\0';
        *key++ = '\0';
        if (strchr(bucket, '/') == NULL && grant_parse(text, &grant) == NULL) {
            for (unsigned right = ACCESS_READ; right <= ACCESS_BUCKETS; right <<= 1)
                compare(&grant, right, bucket, key, strlen(key));
        }
    }
    free(text);
    return 0;
}
