/* Arithmetic of CRCs: polynomials over GF(2) modulo the CRC's own. Bit-reflected, as all CRCs of S3
 * are: of a CRC of `width` bits, the highest bit of its register is the coefficient of x^0. */
#ifndef MKV_S3_CRC_MATH_H
#define MKV_S3_CRC_MATH_H

#include <stdint.h>

/* A CRC whose initial value and final xor are all ones. */
struct crc_form {
    uint64_t polynomial; /* without its highest term, reflected */
    unsigned width;      /* in bits: 32 or 64 */
};

extern const struct crc_form crc32_form;     /* ISO-HDLC, zlib's */
extern const struct crc_form crc32c_form;    /* Castagnoli */
extern const struct crc_form crc64nvme_form; /* NVM Command Set Specification 1.0d, 5.2.1.3.4 */

/* x^n modulo the polynomial. */
uint64_t crc_power(const struct crc_form *form, uint64_t n);

/* What crc_combine() needs to know of the length of the bytes that follow: some microseconds' work,
 * which serves all parts of that length. */
uint64_t crc_shift(const struct crc_form *form, uint64_t len);

/* The CRC of some bytes followed by others, of the CRCs of both; `shift` is of the others' length.
 */
uint64_t crc_combine(const struct crc_form *form, uint64_t a, uint64_t b, uint64_t shift);

#endif
