/* Any bytes: what decodes is what encodes to the same bytes. The checksum is made right for half of
 * the inputs, so that what lies behind it is reached. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/crc32c.h"
#include "index/store/orphan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *bytes, size_t n)
{
    unsigned char again[ORPHAN_MAX];
    struct orphan orphan;

    if (orphan_decode(bytes, n, &orphan) < 0)
        return;
    if (orphan_encode(&orphan, again) != n || memcmp(again, bytes, n) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size + 4);
    uint32_t crc = crc32c(0, data, size);

    if (bytes == NULL)
        return 0;
    check(data, size);
    if (size > 0)
        memcpy(bytes, data, size);
    for (unsigned i = 0; i < 4; i++)
        bytes[size + i] = (uint8_t)(crc >> (8 * i));
    check(bytes, size + 4);
    free(bytes);
    return 0;
}
