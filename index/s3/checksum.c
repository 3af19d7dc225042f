/* libcrypto calls these functions deprecated. Its newer ones need memory, which may be short. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "index/s3/checksum.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "index/base/crc32c.h"
#include "index/s3/crc64nvme.h"
#include "index/s3/crc_math.h"
#include "index/s3/parts.h"

static_assert(PART_NUMBER_MAX < 100000, "checksum.h has room for five digits");

static const struct form {
    const char *name;
    const char *header;
    const char *element;
    const char *line;
    size_t size;
    const struct crc_form *crc; /* NULL: it is none */
} forms[CHECKSUM_KINDS] = {
    [CHECKSUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", "crc32", 4, &crc32_form},
    [CHECKSUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", "crc32c", 4,
                         &crc32c_form},
    [CHECKSUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME",
                            "crc64nvme", 8, &crc64nvme_form},
    [CHECKSUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", "sha1", SHA_DIGEST_LENGTH,
                       NULL},
    [CHECKSUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", "sha256", SHA256_SIZE,
                         NULL},
};

static const struct form *form_of(enum checksum_kind kind)
{
    assert(kind > CHECKSUM_NONE && kind < CHECKSUM_KINDS);
    return &forms[kind];
}

/* --- Names ----------------------------------------------------------------------------------- */

const char *checksum_name(enum checksum_kind kind)
{
    return form_of(kind)->name;
}

const char *checksum_header(enum checksum_kind kind)
{
    return form_of(kind)->header;
}

const char *checksum_element(enum checksum_kind kind)
{
    return form_of(kind)->element;
}

const char *checksum_line(enum checksum_kind kind)
{
    return form_of(kind)->line;
}

enum checksum_kind checksum_of_name(const char *name)
{
    enum checksum_kind kind = CHECKSUM_KINDS - 1;

    while (kind > CHECKSUM_NONE && strcasecmp(forms[kind].name, name) != 0)
        kind--;
    return kind;
}

enum checksum_kind checksum_of_header(const char *header)
{
    enum checksum_kind kind = CHECKSUM_KINDS - 1;

    while (kind > CHECKSUM_NONE && strcasecmp(forms[kind].header, header) != 0)
        kind--;
    return kind;
}

enum checksum_kind checksum_of_element(const char *element)
{
    enum checksum_kind kind = CHECKSUM_KINDS - 1;

    while (kind > CHECKSUM_NONE && strcmp(forms[kind].element, element) != 0)
        kind--;
    return kind;
}

enum checksum_kind checksum_of_line(const char *name, size_t len)
{
    enum checksum_kind kind = CHECKSUM_KINDS - 1;

    while (kind > CHECKSUM_NONE &&
           (strlen(forms[kind].line) != len || memcmp(forms[kind].line, name, len) != 0))
        kind--;
    return kind;
}

bool checksum_is_crc(enum checksum_kind kind)
{
    return form_of(kind)->crc != NULL;
}

size_t checksum_size(enum checksum_kind kind)
{
    return form_of(kind)->size;
}

/* --- Bytes ----------------------------------------------------------------------------------- */

void checksum_begin(struct checksum *checksum, enum checksum_kind kind)
{
    checksum->kind = kind;
    if (kind == CHECKSUM_SHA1)
        SHA1_Init(&checksum->state.sha1);
    else if (kind == CHECKSUM_SHA256)
        sha256_begin(&checksum->state.sha256);
    else
        checksum->state.crc = 0;
}

void checksum_add(struct checksum *checksum, const void *bytes, size_t n)
{
    uint64_t *crc = &checksum->state.crc;

    if (n == 0)
        return; /* zlib takes no bytes at NULL for a wish to begin anew */
    switch (checksum->kind) {
    case CHECKSUM_CRC32:
        *crc = crc32_z(*crc, bytes, n);
        break;
    case CHECKSUM_CRC32C:
        *crc = crc32c((uint32_t)*crc, bytes, n);
        break;
    case CHECKSUM_CRC64NVME:
        *crc = crc64nvme(*crc, bytes, n);
        break;
    case CHECKSUM_SHA1:
        SHA1_Update(&checksum->state.sha1, bytes, n);
        break;
    case CHECKSUM_SHA256:
        sha256_add(&checksum->state.sha256, bytes, n);
        break;
    case CHECKSUM_NONE:
    case CHECKSUM_KINDS:
        assert(false);
    }
}

static void write_crc(uint64_t crc, size_t size, unsigned char *bytes)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(crc >> 8 * (size - 1 - i));
}

static uint64_t read_crc(const unsigned char *bytes, size_t size)
{
    uint64_t crc = 0;

    for (size_t i = 0; i < size; i++)
        crc = crc << 8 | bytes[i];
    return crc;
}

void checksum_finish(struct checksum *checksum, unsigned char bytes[CHECKSUM_SIZE_MAX])
{
    if (checksum->kind == CHECKSUM_SHA1)
        SHA1_Final(bytes, &checksum->state.sha1);
    else if (checksum->kind == CHECKSUM_SHA256)
        sha256_finish(&checksum->state.sha256, bytes);
    else
        write_crc(checksum->state.crc, checksum_size(checksum->kind), bytes);
}

void checksum_join_begin(struct checksum_join *join, enum checksum_kind kind)
{
    assert(checksum_is_crc(kind));
    *join = (struct checksum_join){.kind = kind, .shift = crc_shift(forms[kind].crc, 0)};
}

void checksum_join_add(struct checksum_join *join, const unsigned char bytes[CHECKSUM_SIZE_MAX],
                       uint64_t len)
{
    const struct form *form = form_of(join->kind);

    if (len != join->len) {
        join->len = len;
        join->shift = crc_shift(form->crc, len);
    }
    join->crc = crc_combine(form->crc, join->crc, read_crc(bytes, form->size), join->shift);
}

void checksum_join_finish(const struct checksum_join *join, unsigned char bytes[CHECKSUM_SIZE_MAX])
{
    write_crc(join->crc, checksum_size(join->kind), bytes);
}

/* --- Text ------------------------------------------------------------------------------------ */

void checksum_format(enum checksum_kind kind, const unsigned char bytes[CHECKSUM_SIZE_MAX],
                     unsigned n_parts, char text[CHECKSUM_TEXT_MAX])
{
    size_t n = base64_encode(bytes, checksum_size(kind), text);

    assert(n_parts <= PART_NUMBER_MAX);
    text[n] = '\0';
    if (n_parts > 0)
        snprintf(text + n, CHECKSUM_TEXT_MAX - n, "-%u", n_parts);
}

static int parse_parts(const char *text, size_t len, unsigned *n_parts)
{
    unsigned value = 0;

    if (len == 0 || len > 5 || text[0] == '0')
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -EINVAL;
        value = 10 * value + (unsigned)(text[i] - '0');
    }
    *n_parts = value;
    return value <= PART_NUMBER_MAX ? 0 : -EINVAL;
}

int checksum_parse(enum checksum_kind kind, const char *text, size_t len,
                   unsigned char bytes[CHECKSUM_SIZE_MAX], unsigned *n_parts)
{
    const size_t size = checksum_size(kind);
    unsigned char decoded[BASE64_SIZE(CHECKSUM_SIZE_MAX) / 4 * 3];
    size_t n;

    if (len < BASE64_SIZE(size) || base64_decode(text, BASE64_SIZE(size), decoded, &n) < 0 ||
        n != size)
        return -EINVAL;
    memcpy(bytes, decoded, size);
    text += BASE64_SIZE(size);
    len -= BASE64_SIZE(size);
    *n_parts = 0;
    if (len == 0)
        return 0;
    return text[0] == '-' ? parse_parts(text + 1, len - 1, n_parts) : -EINVAL;
}
