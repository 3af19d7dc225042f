#include "index/s3/copy_source.h"

#include <errno.h>
#include <string.h>

#include "index/base/percent.h"

/* Checks the version, and gives the length of what is before it. */
static enum s3_error cut_version(const char *text, size_t *len)
{
    static const char mark[] = "?versionId=";
    const char *query = strstr(text, mark);

    *len = query != NULL ? (size_t)(query - text) : strlen(text);
    if (query == NULL || strcmp(query + sizeof(mark) - 1, "null") == 0)
        return S3_OK;
    return query[sizeof(mark) - 1] == '\0' ? S3_INVALID_ARGUMENT : S3_NO_SUCH_VERSION;
}

/* The slash after the bucket may be encoded, too: "bucket%2Fkey" is what some SDKs send. */
enum s3_error copy_source_parse(const char *header, struct copy_source *source)
{
    char path[1 + BUCKET_NAME_MAX + 1 + S3_KEY_MAX];
    const char *name = path;
    const char *slash;
    size_t len;
    enum s3_error error = cut_version(header, &len);
    int rc;

    if (error != S3_OK)
        return error;
    rc = percent_decode(header, len, path, sizeof(path), &len);
    if (rc < 0)
        return rc == -EMSGSIZE ? S3_KEY_TOO_LONG : S3_INVALID_ARGUMENT;
    if (len > 0 && path[0] == '/') {
        name++;
        len--;
    }
    slash = memchr(name, '/', len);
    if (slash == NULL || !bucket_name_is_usable(name, (size_t)(slash - name)))
        return S3_INVALID_ARGUMENT;
    source->bucket_len = (size_t)(slash - name);
    source->key_len = len - source->bucket_len - 1;
    if (source->key_len == 0)
        return S3_INVALID_ARGUMENT;
    if (source->key_len > S3_KEY_MAX)
        return S3_KEY_TOO_LONG;
    memcpy(source->bucket, name, source->bucket_len);
    memcpy(source->key, slash + 1, source->key_len);
    return S3_OK;
}

enum s3_error copy_source_range(const char *header, uint64_t size, struct range *range)
{
    uint64_t first;
    uint64_t last;

    if (header == NULL) {
        *range = (struct range){.first = 0, .length = size};
        return S3_OK;
    }
    if (range_parse_exact(header, &first, &last) < 0)
        return S3_INVALID_ARGUMENT;
    if (last >= size)
        return S3_INVALID_RANGE;
    *range = (struct range){.first = first, .length = last - first + 1};
    return S3_OK;
}
