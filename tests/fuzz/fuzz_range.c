/* Any Range of any size: the first 8 bytes of the input are the size, the rest is the header. A
 * part is inside the value, and its Content-Range, made a Range again, is the same part. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/s3/copy_source.h"
#include "index/s3/range.h"
#include "tests/support/text_copy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(const struct range *range, uint64_t size)
{
    char text[RANGE_TEXT_MAX];
    struct range again;

    if (range->length == 0 || range->first >= size || range->length > size - range->first)
        abort();
    range_content(range, size, text);
    *strchr(text, '/') = '\0';
    text[strlen("bytes")] = '=';
    if (range_of(text, size, &again) != RANGE_PART || again.first != range->first ||
        again.length != range->length || copy_source_range(text, size, &again) != S3_OK ||
        again.first != range->first || again.length != range->length)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct range copied = {.first = 1, .length = 2};
    struct range range;
    uint64_t value_size;
    enum range_outcome outcome;
    char *header;

    if (size < sizeof(value_size))
        return 0;
    memcpy(&value_size, data, sizeof(value_size));
    header = text_copy(data + sizeof(value_size), size - sizeof(value_size));
    outcome = range_of(header, value_size, &range);
    if (outcome == RANGE_PART)
        check_part(&range, value_size);
    else if (range.first != 0 || range.length != value_size)
        abort();
    /* What a copy takes as a range, a read takes as the same one. */
    if (copy_source_range(header, value_size, &copied) == S3_OK) {
        if (outcome != RANGE_PART || memcmp(&copied, &range, sizeof(range)) != 0)
            abort();
    } else if (copied.first != 1 || copied.length != 2) {
        abort();
    }
    free(header);
    return 0;
}
