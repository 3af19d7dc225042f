#include "index/s3/crc_math.h"

const struct crc_form crc32_form = {.polynomial = 0xedb88320, .width = 32};
const struct crc_form crc32c_form = {.polynomial = 0x82f63b78, .width = 32};
const struct crc_form crc64nvme_form = {.polynomial = 0x9a6c9329ac4bc9b5, .width = 64};

static uint64_t times_x(const struct crc_form *form, uint64_t a)
{
    return (a & 1) != 0 ? a >> 1 ^ form->polynomial : a >> 1;
}

/* Adds b * x^i for each term x^i of `a`. */
static uint64_t multiply(const struct crc_form *form, uint64_t a, uint64_t b)
{
    uint64_t product = 0;

    for (uint64_t term = 1ULL << (form->width - 1); term != 0; term >>= 1) {
        if ((a & term) != 0)
            product ^= b;
        b = times_x(form, b);
    }
    return product;
}

uint64_t crc_power(const struct crc_form *form, uint64_t n)
{
    uint64_t result = 1ULL << (form->width - 1); /* x^0 */
    uint64_t square = result >> 1;               /* x^1, then x^2, x^4, ... */

    for (; n > 0; n >>= 1) {
        if ((n & 1) != 0)
            result = multiply(form, result, square);
        square = multiply(form, square, square);
    }
    return result;
}

uint64_t crc_shift(const struct crc_form *form, uint64_t len)
{
    uint64_t shift = crc_power(form, len);

    for (int i = 0; i < 3; i++) /* (x^len)^8: 8 * len might not fit into 64 bits */
        shift = multiply(form, shift, shift);
    return shift;
}

/* Bytes that follow multiply by x^8 each. The initial value and the final xor are the same, so they
 * cancel out. */
uint64_t crc_combine(const struct crc_form *form, uint64_t a, uint64_t b, uint64_t shift)
{
    return multiply(form, shift, a) ^ b;
}
