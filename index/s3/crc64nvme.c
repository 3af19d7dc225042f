/* By tables, eight bytes at a time ("slicing by 8"): about 1 GB/s. Where the processor multiplies
 * polynomials (PCLMULQDQ), 64 bytes at a time, 7 GB/s: Gopal et al., "Fast CRC Computation for
 * Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009. */
#include "index/s3/crc64nvme.h"

#include <pthread.h>
#include <string.h>

#include "index/base/codec.h"
#include "index/s3/crc_math.h"

/* tables[k][byte]: what the byte does to the register when k more bytes follow it. */
static uint64_t tables[8][256];

/* What carries a block over the `n` bits of the next ones: its first 64 bits and its last ones,
 * each by so many powers of x. The product of two reflected numbers lacks one power, hence the 1.
 */
struct fold {
    uint64_t first; /* x^(n + 64 - 1) */
    uint64_t last;  /* x^(n - 1) */
};

static struct fold fold_128;
static struct fold fold_512;

static struct fold fold_over(unsigned bits)
{
    return (struct fold){
        .first = crc_power(&crc64nvme_form, bits + 64 - 1),
        .last = crc_power(&crc64nvme_form, bits - 1),
    };
}

static void prepare(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t crc = i;

        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ crc64nvme_form.polynomial : crc >> 1;
        tables[0][i] = crc;
    }
    for (unsigned k = 1; k < 8; k++) {
        for (unsigned i = 0; i < 256; i++)
            tables[k][i] = tables[0][tables[k - 1][i] & 255] ^ tables[k - 1][i] >> 8;
    }
    fold_128 = fold_over(128);
    fold_512 = fold_over(512);
}

static void prepare_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, prepare);
}

/* Of the register itself, which is the checksum inverted. */
static uint64_t update_by_table(uint64_t crc, const unsigned char *p, size_t n)
{
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word = load_u64(p) ^ crc;

        crc = tables[7][word & 255] ^ tables[6][word >> 8 & 255] ^ tables[5][word >> 16 & 255] ^
              tables[4][word >> 24 & 255] ^ tables[3][word >> 32 & 255] ^
              tables[2][word >> 40 & 255] ^ tables[1][word >> 48 & 255] ^ tables[0][word >> 56];
    }
    while (n-- > 0)
        crc = tables[0][(crc ^ *p++) & 255] ^ crc >> 8;
    return crc;
}

uint64_t crc64nvme_by_table(uint64_t crc, const void *data, size_t n)
{
    prepare_once();
    return ~update_by_table(~crc, data, n);
}

#ifdef __x86_64__

#include <immintrin.h>

#define BLOCK 16
#define LANES 4

__attribute__((target("pclmul,sse2"))) static inline __m128i carry(__m128i block, __m128i fold,
                                                                   __m128i next)
{
    __m128i first = _mm_clmulepi64_si128(block, fold, 0x00);
    __m128i last = _mm_clmulepi64_si128(block, fold, 0x11);

    return _mm_xor_si128(_mm_xor_si128(first, last), next);
}

static inline __m128i load(const unsigned char *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

/* n >= BLOCK * LANES. The register is added to the first 64 bits; what is left in the end is a
 * block whose checksum, from a register of zero, is that of all before. */
__attribute__((target("pclmul,sse2"))) static uint64_t
update_by_cpu(uint64_t crc, const unsigned char *p, size_t n)
{
    const __m128i by_4 = _mm_set_epi64x((long long)fold_512.last, (long long)fold_512.first);
    const __m128i by_1 = _mm_set_epi64x((long long)fold_128.last, (long long)fold_128.first);
    __m128i lanes[LANES];
    unsigned char rest[BLOCK];

    for (int i = 0; i < LANES; i++)
        lanes[i] = load(p + BLOCK * i);
    lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(0, (long long)crc));
    for (p += BLOCK * LANES, n -= BLOCK * LANES; n >= BLOCK * LANES; n -= BLOCK * LANES) {
        for (int i = 0; i < LANES; i++)
            lanes[i] = carry(lanes[i], by_4, load(p + BLOCK * i));
        p += BLOCK * LANES;
    }
    for (int i = 1; i < LANES; i++)
        lanes[0] = carry(lanes[0], by_1, lanes[i]);
    for (; n >= BLOCK; n -= BLOCK, p += BLOCK)
        lanes[0] = carry(lanes[0], by_1, load(p));
    _mm_storeu_si128((__m128i *)rest, lanes[0]);
    return update_by_table(update_by_table(0, rest, sizeof(rest)), p, n);
}

static uint64_t update(uint64_t crc, const unsigned char *p, size_t n)
{
    if (n >= BLOCK * LANES && __builtin_cpu_supports("pclmul"))
        return update_by_cpu(crc, p, n);
    return update_by_table(crc, p, n);
}

#else

static uint64_t update(uint64_t crc, const unsigned char *p, size_t n)
{
    return update_by_table(crc, p, n);
}

#endif

uint64_t crc64nvme(uint64_t crc, const void *data, size_t n)
{
    prepare_once();
    return ~update(~crc, data, n);
}
