/* MD5 of several messages at once, each in a lane of the processor's vectors. The compiler makes
 * them fit whatever registers there are; a machine with AVX2 has a version of its own. The
 * algorithm, with its constants: RFC 1321, section 3.4. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <assert.h>
#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "index/base/md5.h"

#define LANES      8
#define BLOCK      64
#define BLOCKS_MAX ((BLOCK + MD5_SUFFIX_MAX + 8) / BLOCK + 1)

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__)
#define FOR_EACH_CPU __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_CPU
#endif

typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));

/* The ends of the messages, from the last full block of what they have in common on. */
struct ends {
    unsigned char bytes[LANES][BLOCKS_MAX * BLOCK];
    size_t n_blocks[LANES];
};

static const uint32_t sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

/* One step: `f` of b, c and d, word `k`, and the rotation. */
#define STEP(f, k, i, shift)                                                                       \
    do {                                                                                           \
        lanes sum = a + (f) + words[k] + sines[i];                                                 \
        a = d;                                                                                     \
        d = c;                                                                                     \
        c = b;                                                                                     \
        b += sum << (shift) | sum >> (32 - (shift));                                               \
    } while (0)

/* Adds block `at` of every lane to its state. */
FOR_EACH_CPU static void add_block(lanes state[4], const struct ends *ends, size_t at)
{
    static const int shifts[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    lanes a = state[0];
    lanes b = state[1];
    lanes c = state[2];
    lanes d = state[3];
    lanes words[16];

    for (unsigned i = 0; i < 16; i++) {
        for (unsigned lane = 0; lane < LANES; lane++) {
            uint32_t word;

            memcpy(&word, ends->bytes[lane] + at * BLOCK + (size_t)4 * i, sizeof(word));
            words[i][lane] = le32toh(word);
        }
    }
#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; i++)
        STEP((b & c) | (~b & d), i, i, shifts[0][i % 4]);
#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; i++)
        STEP((d & b) | (~d & c), (5 * i + 1) % 16, 16 + i, shifts[1][i % 4]);
#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; i++)
        STEP(b ^ c ^ d, (3 * i + 5) % 16, 32 + i, shifts[2][i % 4]);
#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; i++)
        STEP(c ^ (b | ~d), 7 * i % 16, 48 + i, shifts[3][i % 4]);
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

static void put_le32(unsigned char *out, uint32_t word)
{
    word = htole32(word);
    memcpy(out, &word, sizeof(word));
}

/* What follows the last full block: the rest of the common part, the suffix, and the padding. */
static void write_end(struct ends *ends, unsigned lane, const MD5_CTX *common, const char *suffix)
{
    unsigned char *out = ends->bytes[lane];
    size_t len = strlen(suffix);
    size_t n = common->num + len;
    uint64_t bits = ((uint64_t)common->Nh << 32 | common->Nl) + (uint64_t)len * 8;
    size_t size = (n + 8) / BLOCK * BLOCK + BLOCK;

    assert(len <= MD5_SUFFIX_MAX);
    memcpy(out, common->data, common->num);
    memcpy(out + common->num, suffix, len); // NOLINT(bugprone-not-null-terminated-result)
    out[n] = 0x80;
    memset(out + n + 1, 0, size - n - 1);
    put_le32(out + size - 8, (uint32_t)bits);
    put_le32(out + size - 4, (uint32_t)(bits >> 32));
    ends->n_blocks[lane] = size / BLOCK;
}

/* The other lanes repeat the first message; what follows a shorter one is zeros. */
static void write_ends(struct ends *ends, const MD5_CTX *common, const char *const *suffixes,
                       size_t n)
{
    size_t most = 0;

    for (unsigned lane = 0; lane < LANES; lane++) {
        write_end(ends, lane, common, suffixes[lane < n ? lane : 0]);
        if (ends->n_blocks[lane] > most)
            most = ends->n_blocks[lane];
    }
    for (unsigned lane = 0; lane < LANES; lane++)
        memset(ends->bytes[lane] + ends->n_blocks[lane] * BLOCK, 0,
               (most - ends->n_blocks[lane]) * BLOCK);
}

/* Of `n` messages, at most LANES. */
static void finish_lanes(const MD5_CTX *common, const char *const *suffixes, size_t n,
                         unsigned char (*hashes)[MD5_SIZE])
{
    lanes state[4] = {(lanes){0} + common->A, (lanes){0} + common->B, (lanes){0} + common->C,
                      (lanes){0} + common->D};
    struct ends ends;
    size_t left = n;

    write_ends(&ends, common, suffixes, n);
    for (size_t at = 0; left > 0; at++) {
        add_block(state, &ends, at);
        for (unsigned lane = 0; lane < n; lane++) {
            if (ends.n_blocks[lane] != at + 1)
                continue;
            for (unsigned i = 0; i < 4; i++)
                put_le32(hashes[lane] + (size_t)4 * i, state[i][lane]);
            left--;
        }
    }
}

void md5_finish_each(const struct md5 *md5, const char *const *suffixes, size_t n,
                     unsigned char (*hashes)[MD5_SIZE])
{
    for (size_t i = 0; i < n; i += LANES)
        finish_lanes(&md5->state, suffixes + i, n - i < LANES ? n - i : LANES, hashes + i);
}
