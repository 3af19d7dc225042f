/* Any body, after one of some heads: the first byte says which, the second where the body is cut in
 * two. The value and the outcome are those of the body in one piece, and none is longer than what
 * was announced. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/access/payload.h"
#include "index/base/buf.h"
#include "tests/support/access_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define UNSIGNED "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\n"
#define SIGNED   "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\n"
#define PUT      "PUT /b/k HTTP/1.1\n"
#define LENGTH   "x-amz-decoded-content-length: 5\n"
#define CRC      "x-amz-trailer: x-amz-checksum-crc32\n"

#define VERIFIED 4 /* the head after which signatures are verified, with a key of zeros */

static const char *const heads[] = {
    PUT UNSIGNED LENGTH,
    PUT UNSIGNED LENGTH CRC,
    PUT "Content-Encoding: aws-chunked\n" CRC,
    PUT SIGNED LENGTH CRC,
    PUT SIGNED LENGTH CRC,
    PUT SIGNED LENGTH,
    PUT "x-amz-content-sha256: UNSIGNED-PAYLOAD\n",
    PUT LENGTH "x-amz-content-sha256: "
               "5f10c030b3148f5940c403894e2dcc12ffda90a4112b05dcf5b3874e6b33351b\n",
};

#define N_HEADS (sizeof(heads) / sizeof(heads[0]))

static enum access_result decode(const char *head_text, bool is_signed, const char *body,
                                 size_t size, size_t cut, struct buf *value)
{
    struct access_auth auth = {
        .scheme = ACCESS_V4,
        .signature = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        .date = "20130524T000000Z",
        .scope = "20130524/us-east-1/s3/aws4_request",
        .payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"};
    const char *ends[] = {body + cut, body + size};
    enum access_result result;
    struct access_head head;
    struct payload payload;
    const char *at = body;
    const char *bytes;
    size_t len;

    if (!access_head_init(&head, head_text, strlen(head_text), 0) ||
        payload_init(&payload, &head.request, is_signed ? &auth : NULL) != ACCESS_OK)
        abort();
    for (size_t i = 0; i < 2; i++) {
        while ((result = payload_next(&payload, &at, ends[i], &bytes, &len)) == ACCESS_OK &&
               len > 0)
            buf_append(value, bytes, len);
        if (result == ACCESS_OK && at != ends[i])
            abort();
    }
    if (result == ACCESS_OK)
        result = payload_end(&payload);
    if (result == ACCESS_OK && payload.decoded_length >= 0 &&
        buf_size(value) != (size_t)payload.decoded_length)
        abort();
    if (result == ACCESS_OK && *payload.trailer != '\0' && !payload.has_trailer)
        abort();
    payload_deinit(&payload);
    access_head_deinit(&head);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *body = (const char *)data + 2;
    struct buf whole = {0};
    struct buf cut = {0};
    enum access_result one;
    enum access_result two;
    const char *head;
    bool is_signed;

    if (size < 2)
        return 0;
    size -= 2;
    head = heads[data[0] % N_HEADS];
    is_signed = data[0] % N_HEADS == VERIFIED;
    one = decode(head, is_signed, body, size, size, &whole);
    two = decode(head, is_signed, body, size, data[1] % (size + 1), &cut);
    if (one != two ||
        (one == ACCESS_OK && (buf_size(&whole) != buf_size(&cut) ||
                              (buf_size(&whole) > 0 &&
                               memcmp(buf_bytes(&whole), buf_bytes(&cut), buf_size(&whole)) != 0))))
        abort();
    buf_deinit(&whole);
    buf_deinit(&cut);
    return 0;
}
