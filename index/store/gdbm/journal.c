/* Segments are opened late: the first append after an opening, a rotation or a failure makes one.
 */
#include "index/store/gdbm/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include "index/base/codec.h"
#include "index/base/disk_error.h"
#include "index/base/log.h"
#include "index/store/gdbm/directory.h"
#include "index/store/gdbm/mend.h"
#include "index/store/gdbm/seal.h"
#include "index/store/gdbm/segment.h"
#include "index/store/gdbm/step.h"

#define AHEAD     (1 << 18) /* bytes of zeros that are written ahead of the blocks */
#define AHEAD_FOR (1 << 16) /* of blocks up to this; larger ones take their time anyway */

struct journal {
    const char *directory;
    bool sync;
    bool rotate;    /* the next block begins a new segment */
    bool failing;   /* the last write failed, and it was logged */
    bool mend;      /* the segment may hold more than it should: see mend_segment() */
    int fd;         /* of the segment that is written, or -1 */
    uint64_t first; /* its first block */
    uint64_t salt;  /* its salt */
    off_t end;      /* where its next block goes */
    off_t size;     /* of the file: from `end` on it is zeros */
    uint64_t last;  /* the last block on disk */
    uint64_t seal;  /* the last block that the mark of a clean stop tells of */
};

static int failure(struct journal *j, const char *verb, int error)
{
    if (!j->failing) /* a full disk fails every write, and there may be thousands a second */
        log_limited(LOG_LEVEL_ERROR, "cannot %s the journal %s/" SEGMENT_NAME ": %s", verb,
                    j->directory, j->first, strerror(error));
    j->failing = true;
    return disk_error(error);
}

/* --- Opening --------------------------------------------------------------------------------- */

static int missing_segment(const char *directory, uint64_t block)
{
    log_error("the journal in %s lacks the segment with block %" PRIu64 STORE_MEND, directory,
              block);
    return UV_EILSEQ;
}

/* What a clean stop had on disk is whole, and so is each segment but the last. */
static int replay_segment(const char *directory, struct segment *segment, bool last,
                          struct segment_replay *replay, struct journal_replay *total)
{
    const char *whole = !last                             ? "there is a later one"
                        : segment->first <= total->sealed ? "a clean stop had left it whole"
                                                          : NULL;
    int rc = segment_replay(directory, segment, whole, replay, &total->torn);

    if (rc != 0)
        return rc;
    total->bytes += segment->size > SEGMENT_HEAD ? segment->size : 0;
    total->tail = segment->first;
    total->tail_size = segment->size;
    return 0;
}

/* A segment that was cut between two blocks has no torn end. */
static int check_sealed(const char *directory, const struct segment_replay *replay,
                        const struct journal_replay *total)
{
    if (replay->next > total->sealed)
        return 0;
    if (total->tail == 0)
        return missing_segment(directory, replay->next);
    log_error("%s/" SEGMENT_NAME " is damaged: it ends at byte %" PRIu64 ", without block %" PRIu64
              ", which a clean stop had left there" STORE_MEND,
              directory, total->tail, total->tail_size, replay->next);
    return UV_EILSEQ;
}

static int replay_all(const char *directory, const struct segment_list *list,
                      struct segment_replay *replay, struct journal_replay *total)
{
    for (size_t i = 0; i < list->count; i++) {
        struct segment *segment = &list->segments[i];
        int rc;

        if (i + 1 < list->count && list->segments[i + 1].first <= replay->applied + 1)
            continue; /* left over by a crash between a checkpoint and its dropping of segments */
        if (segment->first > replay->next)
            return missing_segment(directory, replay->next);
        replay->next = segment->first;
        rc = replay_segment(directory, segment, i + 1 == list->count, replay, total);
        if (rc != 0)
            return rc;
    }
    if (replay->next <= replay->applied)
        replay->next = replay->applied + 1;
    return check_sealed(directory, replay, total);
}

int journal_read(const char *directory, uint64_t applied, journal_block_cb cb, void *arg,
                 struct journal_replay *total)
{
    struct segment_replay replay = {.next = applied + 1, .applied = applied, .cb = cb, .arg = arg};
    struct segment_list list = {0};
    int rc;

    *total = (struct journal_replay){0};
    rc = seal_read(directory, &total->sealed);
    if (rc < 0)
        return rc;
    rc = segment_list_read(directory, &list);
    if (rc == 0)
        rc = replay_all(directory, &list, &replay, total);
    else
        log_error("cannot read the journal in %s: %s", directory, uv_strerror(rc));
    segment_list_deinit(&list);
    total->blocks = replay.replayed;
    total->last = replay.next - 1;
    return rc;
}

/* The last segment is brought to disk, whole or cut: a process that was killed may have left a
 * block of it in the page cache only, and a power cut must not take that one once there are blocks
 * after it, or once somebody saw it. */
int journal_open(const char *directory, uint64_t applied, bool sync, journal_block_cb cb, void *arg,
                 struct journal_replay *total, struct journal **journal)
{
    struct journal *j;
    int rc = journal_read(directory, applied, cb, arg, total);

    if (rc == 0 && total->tail != 0)
        rc = segment_truncate(directory, &(struct segment){total->tail, total->tail_size});
    if (rc != 0)
        return rc;
    j = malloc(sizeof(*j));
    if (j == NULL) {
        log_error("cannot open the journal in %s: out of memory", directory);
        return UV_ENOMEM;
    }
    *j = (struct journal){
        .directory = directory, .sync = sync, .fd = -1, .last = total->last, .seal = total->sealed};
    if (total->last == applied || total->tail > applied)
        journal_drop(directory, applied);
    *journal = j;
    return 0;
}

void journal_close(struct journal *j)
{
    if (j == NULL)
        return;
    if (j->fd >= 0)
        close(j->fd);
    free(j);
}

/* --- Appending ------------------------------------------------------------------------------- */

static int write_all(int fd, struct iovec *iov, int n, off_t at)
{
    while (n > 0) {
        ssize_t written = pwritev(fd, iov, n, at);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        at += written;
        while (n > 0 && (size_t)written >= iov->iov_len) {
            written -= (ssize_t)iov->iov_len;
            iov++;
            n--;
        }
        if (n > 0) {
            iov->iov_base = (char *)iov->iov_base + written;
            iov->iov_len -= (size_t)written;
        }
    }
    return 0;
}

static void segment_path(const struct journal *j, uint64_t first, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/" SEGMENT_NAME, j->directory, first);
}

/* The head is on disk, and the name too, before the first block is. */
static int begin_segment(struct journal *j)
{
    unsigned char head[SEGMENT_HEAD];
    struct iovec iov = {.iov_base = head, .iov_len = sizeof(head)};
    char path[PATH_MAX];
    uint64_t salt;
    int rc;

    j->first = j->last + 1;
    segment_path(j, j->first, path);
    if (getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
        return failure(j, "begin", errno);
    segment_write_head(head, salt, j->sync);
    j->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (j->fd < 0)
        return failure(j, "begin", errno);
    engine_step("journal: segment made");
    rc = write_all(j->fd, &iov, 1, 0);
    if (rc == 0 && fsync(j->fd) < 0)
        rc = -errno;
    if (rc == 0)
        rc = directory_sync(j->directory);
    if (rc < 0) {
        close(j->fd);
        j->fd = -1;
        unlink(path);
        return failure(j, "begin", -rc);
    }
    engine_step("journal: segment begun");
    j->salt = salt;
    j->end = j->size = SEGMENT_HEAD;
    return 0;
}

/* Whether a checkpoint has removed the segment: what it held doesn't matter any more. */
static bool is_dropped(const struct journal *j)
{
    char path[PATH_MAX];

    segment_path(j, j->first, path);
    return access(path, F_OK) < 0 && errno == ENOENT;
}

/* After a failed write or flush nobody knows what the file holds (a page that could not be written
 * counts as clean afterwards): its good part is read again from the disk and checked, the rest is
 * cut off, and it is left alone. */
static int mend_segment(struct journal *j)
{
    struct segment segment = {.first = j->first, .size = (uint64_t)j->end};
    struct segment_replay replay = {.next = j->first, .applied = UINT64_MAX};
    int rc;

    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
    rc = segment_truncate(j->directory, &segment);
    if (rc == 0 && j->end > SEGMENT_HEAD)
        rc = segment_replay(j->directory, &segment, "was written whole", &replay, NULL);
    if (rc == 0 && replay.next != j->last + 1)
        rc = missing_segment(j->directory, replay.next);
    if (rc < 0 && j->rotate && is_dropped(j))
        rc = 0;
    j->mend = rc < 0;
    return rc;
}

/* Cuts off what was written ahead. */
static int cut_ahead(struct journal *j)
{
    if (j->size > j->end && ftruncate(j->fd, j->end) < 0)
        return -errno;
    j->size = j->end;
    return 0;
}

/* Only the last segment may ever be torn, without flushes too. */
static int end_segment(struct journal *j)
{
    if (cut_ahead(j) < 0 || fdatasync(j->fd) < 0)
        return failure(j, "flush", errno);
    close(j->fd);
    j->fd = -1;
    return 0;
}

/* A flush after a block is half as dear where the block only overwrites: the file keeps its size
 * and its blocks. What can't be written ahead is written as it comes. */
static void write_ahead(struct journal *j, size_t n)
{
    static const unsigned char zeros[AHEAD];
    struct iovec iov = {.iov_base = (void *)zeros, .iov_len = AHEAD};

    if (!j->sync || n > AHEAD_FOR || j->end + (off_t)n <= j->size)
        return;
    if (write_all(j->fd, &iov, 1, j->end) == 0)
        j->size = j->end + AHEAD;
    else if (ftruncate(j->fd, j->end) == 0)
        j->size = j->end;
}

static int write_block(struct journal *j, const void *payload, size_t n, void (*written)(void *arg),
                       void *arg)
{
    unsigned char head[SEGMENT_BLOCK_HEAD];
    struct iovec iov[] = {
        {.iov_base = head, .iov_len = sizeof(head)},
        {.iov_base = (void *)payload, .iov_len = n},
    };
    int rc;

    write_ahead(j, sizeof(head) + n);
    segment_write_block_head(head, j->salt, j->last + 1, payload, n);
    rc = write_all(j->fd, iov, 2, j->end);
    if (rc < 0)
        return failure(j, "write", -rc);
    engine_step("journal: block written");
    written(arg);
    if (j->sync && fdatasync(j->fd) < 0)
        return failure(j, "flush", errno);
    engine_step("journal: block flushed");
    j->end += (off_t)(sizeof(head) + n);
    if (j->end > j->size)
        j->size = j->end;
    j->last++;
    if (j->failing)
        log_limited(LOG_LEVEL_INFO, "the journal in %s can be written again", j->directory);
    j->failing = false;
    return 0;
}

int journal_append(struct journal *j, const void *payload, size_t n, void (*written)(void *arg),
                   void *arg)
{
    int rc = 0;

    assert(n > 0 && n <= JOURNAL_PAYLOAD_MAX);
    if (j->mend)
        rc = mend_segment(j);
    if (rc == 0 && j->fd >= 0 && j->rotate)
        rc = end_segment(j);
    if (rc == 0 && j->fd < 0)
        rc = begin_segment(j);
    j->rotate = j->rotate && rc < 0;
    if (rc == 0)
        rc = write_block(j, payload, n, written, arg);
    /* At once: what was refused must not be there after a restart. */
    if (rc < 0 && j->fd >= 0)
        mend_segment(j);
    return rc;
}

/* Only the last segment may not be on disk yet, and that without flushes. */
void journal_seal(struct journal *j)
{
    int rc = 0;

    if (j->last == j->seal)
        return;
    if (j->mend)
        rc = mend_segment(j);
    if (rc == 0 && j->fd >= 0 && (cut_ahead(j) < 0 || fdatasync(j->fd) < 0))
        rc = failure(j, "flush", errno);
    engine_step("journal: sealing");
    if (rc == 0)
        rc = seal_write(j->directory, j->last);
    if (rc == 0)
        j->seal = j->last;
}

uint64_t journal_last(const struct journal *j)
{
    return j->last;
}

void journal_skip(struct journal *j, uint64_t block)
{
    j->last = block;
    j->mend = false;
}

uint64_t journal_rotate(struct journal *j)
{
    j->rotate = true;
    return j->last;
}

void journal_drop(const char *directory, uint64_t block)
{
    struct segment_list list = {0};
    int rc = segment_list_read(directory, &list);

    for (size_t i = 0; rc == 0 && i < list.count && list.segments[i].first <= block; i++) {
        char path[PATH_MAX];

        if (i + 1 < list.count && list.segments[i + 1].first > block + 1)
            break;
        snprintf(path, sizeof(path), "%s/" SEGMENT_NAME, directory, list.segments[i].first);
        unlink(path);
        engine_step("journal: segment dropped");
    }
    segment_list_deinit(&list);
}
