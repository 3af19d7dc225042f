/* Any x-amz-copy-source. One that is taken, percent-encoded again, is the same one. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/s3/copy_source.h"
#include "tests/support/text_copy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *encode(char *to, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to += sprintf(to, "%%%02X", (unsigned char)bytes[i]);
    return to;
}

static void check(const struct copy_source *source)
{
    char header[3 * (BUCKET_NAME_MAX + S3_KEY_MAX) + 32];
    struct copy_source again;
    char *end = header;

    if (!bucket_name_is_usable(source->bucket, source->bucket_len) || source->key_len == 0 ||
        source->key_len > S3_KEY_MAX || memchr(source->key, '\0', source->key_len) != NULL)
        abort();
    *end++ = '/';
    end = encode(end, source->bucket, source->bucket_len);
    *end++ = '/';
    end = encode(end, source->key, source->key_len);
    strcpy(end, "?versionId=null");
    if (copy_source_parse(header, &again) != S3_OK || again.bucket_len != source->bucket_len ||
        memcmp(again.bucket, source->bucket, source->bucket_len) != 0 ||
        again.key_len != source->key_len || memcmp(again.key, source->key, source->key_len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *header = text_copy(data, size);
    struct copy_source source;

    if (copy_source_parse(header, &source) == S3_OK)
        check(&source);
    free(header);
    return 0;
}
