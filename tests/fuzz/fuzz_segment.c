/* A segment of the journal. The first byte of the input says what is done, the next two where; the
 * rest is cut into payloads, each behind a byte that is its length. Of what is written, then cut
 * short, changed in one byte or bereft of a block, all blocks before that place are replayed, as
 * they were, and no other; a bad or missing block with a good one behind it is never taken for a
 * torn end. A first byte of 255: any bytes are a segment. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/crc32c.h"
#include "index/store/gdbm/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BLOCKS_MAX 100
#define RAW        255

enum damage { DAMAGE_NONE, DAMAGE_CUT, DAMAGE_FLIP, DAMAGE_STOP, DAMAGE_LACK, DAMAGES };

struct written {
    unsigned char *bytes;
    size_t size;
    size_t ends[BLOCKS_MAX + 1]; /* of block n; of the head at 0 */
    unsigned count;
    bool sync;
    unsigned replayed;
    unsigned stop_at; /* the block that ends the replay, or 0 */
};

static void require(bool truth)
{
    if (!truth)
        abort();
}

/* In the raw mode there is nothing to compare with, but every byte can be read. */
static int block_cb(const unsigned char *payload, size_t n, void *arg)
{
    struct written *w = arg;

    w->replayed++;
    require(n > 0);
    if (w->count == 0) {
        crc32c(0, payload, n);
        return 0;
    }
    require(w->replayed <= w->count);
    require(n == w->ends[w->replayed] - w->ends[w->replayed - 1] - SEGMENT_BLOCK_HEAD);
    require(memcmp(payload, w->bytes + w->ends[w->replayed] - n, n) == 0);
    return w->replayed == w->stop_at ? 42 : 0;
}

static enum segment_end parse(struct written *w, const unsigned char *bytes, size_t n, size_t *good,
                              int *stopped)
{
    struct segment_replay replay = {.next = 1, .cb = block_cb, .arg = w};
    enum segment_end end;

    w->replayed = 0;
    end = segment_parse(bytes, n, &replay, good, stopped);
    require(*good <= n && replay.replayed == w->replayed);
    return end;
}

static void write_segment(struct written *w, const uint8_t *data, size_t size)
{
    uint64_t salt = crc32c(0, data, size) * 0x9e3779b97f4a7c15U;

    w->bytes = malloc(SEGMENT_HEAD + size * (1 + SEGMENT_BLOCK_HEAD));
    require(w->bytes != NULL);
    segment_write_head(w->bytes, salt, w->sync);
    w->size = w->ends[0] = SEGMENT_HEAD;
    while (size > 1 && w->count < BLOCKS_MAX) {
        size_t n = 1 + data[0];

        if (n > size - 1)
            n = size - 1;
        segment_write_block_head(w->bytes + w->size, salt, ++w->count, data + 1, n);
        memcpy(w->bytes + w->size + SEGMENT_BLOCK_HEAD, data + 1, n);
        w->size += SEGMENT_BLOCK_HEAD + n;
        w->ends[w->count] = w->size;
        data += 1 + n;
        size -= 1 + n;
    }
}

static bool all_zero(const unsigned char *bytes, size_t n)
{
    while (n > 0 && bytes[n - 1] == 0)
        n--;
    return n == 0;
}

/* The last block that ends at `at` or before. */
static unsigned blocks_before(const struct written *w, size_t at)
{
    unsigned n = 0;

    while (n < w->count && w->ends[n + 1] <= at)
        n++;
    return n;
}

/* The first bytes of a block can be zeros, as those are that were written ahead. */
static void check_cut(struct written *w, size_t at)
{
    unsigned before = blocks_before(w, at);
    unsigned char *part = malloc(at > 0 ? at : 1); /* the sanitizer watches what follows */
    enum segment_end end;
    int stopped;
    size_t good;

    require(part != NULL);
    memcpy(part, w->bytes, at);
    end = parse(w, part, at, &good, &stopped);
    require(w->replayed == before);
    require(good == (at < SEGMENT_HEAD ? 0 : w->ends[before]));
    require(end == (at >= SEGMENT_HEAD && all_zero(part + good, at - good) ? SEGMENT_WHOLE
                                                                           : SEGMENT_TORN));
    free(part);
}

static void check_flip(struct written *w, size_t at, unsigned char mask)
{
    unsigned before = blocks_before(w, at);
    unsigned char *copy = malloc(w->size);
    enum segment_end end;
    int stopped;
    size_t good;

    require(copy != NULL);
    memcpy(copy, w->bytes, w->size);
    copy[at] ^= mask;
    end = parse(w, copy, w->size, &good, &stopped);
    if (at < SEGMENT_HEAD) {
        require(end == (w->count > 0 ? SEGMENT_DAMAGED : SEGMENT_TORN) && w->replayed == 0);
    } else {
        require(w->replayed == before && good == w->ends[before]);
        require(end == (w->sync && before + 1 < w->count ? SEGMENT_DAMAGED : SEGMENT_TORN));
    }
    free(copy);
}

/* One whole block is not there. */
static void check_lack(struct written *w, unsigned lacking)
{
    size_t from = w->ends[lacking];
    size_t to = w->ends[lacking + 1];
    bool last = lacking + 1 == w->count;
    enum segment_end end;
    int stopped;
    size_t good;

    memmove(w->bytes + from, w->bytes + to, w->size - to);
    end = parse(w, w->bytes, w->size - (to - from), &good, &stopped);
    require(w->replayed == lacking && good == from);
    require(end == (last ? SEGMENT_WHOLE : w->sync ? SEGMENT_DAMAGED : SEGMENT_TORN));
}

static void check_written(const uint8_t *data, size_t size)
{
    struct written w = {.sync = data[0] & 128};
    size_t where = data[1] | (size_t)data[2] << 8;
    int stopped = 0;
    size_t good;

    write_segment(&w, data + 3, size - 3);
    switch ((enum damage)(data[0] % DAMAGES)) {
    case DAMAGE_CUT:
        check_cut(&w, where % w.size);
        break;
    case DAMAGE_FLIP:
        check_flip(&w, where % w.size, data[0] & 64 ? 1 : 128);
        break;
    case DAMAGE_LACK:
        if (w.count > 0)
            check_lack(&w, (unsigned)where % w.count);
        break;
    case DAMAGE_STOP:
        w.stop_at = w.count > 0 ? 1 + (unsigned)where % w.count : 0;
        require(parse(&w, w.bytes, w.size, &good, &stopped) ==
                (w.count > 0 ? SEGMENT_STOPPED : SEGMENT_WHOLE));
        require(w.replayed == w.stop_at && stopped == (w.count > 0 ? 42 : 0));
        break;
    default:
        require(parse(&w, w.bytes, w.size, &good, &stopped) == SEGMENT_WHOLE);
        require(w.replayed == w.count && good == w.size);
        break;
    }
    free(w.bytes);
}

/* What was good is good again without the rest. */
static void check_raw(const uint8_t *data, size_t size)
{
    struct written w = {0};
    unsigned replayed;
    int stopped;
    size_t good;
    size_t again;

    if (parse(&w, data, size, &good, &stopped) == SEGMENT_DAMAGED || good == 0)
        return;
    replayed = w.replayed;
    require(parse(&w, data, good, &again, &stopped) == SEGMENT_WHOLE);
    require(again == good && w.replayed == replayed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    if (data[0] == RAW)
        check_raw(data + 1, size - 1);
    else
        check_written(data, size);
    return 0;
}
