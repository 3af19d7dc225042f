#include "index/store/gdbm/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "index/base/codec.h"
#include "index/base/crc32c.h"
#include "index/base/log.h"
#include "index/store/gdbm/directory.h"
#include "index/store/gdbm/mend.h"

#define MAGIC_SIZE   8
#define FLAG_NO_SYNC 1

static const char magic[MAGIC_SIZE] = {'m', 'k', 'v', 'j', 'r', 'n', 'l', '2'};

/* --- Bytes ----------------------------------------------------------------------------------- */

void segment_write_head(unsigned char head[SEGMENT_HEAD], uint64_t salt, bool sync)
{
    memcpy(head, magic, MAGIC_SIZE);
    put_u64(head + 8, salt);
    put_u32(head + 16, sync ? 0 : FLAG_NO_SYNC);
    put_u32(head + 20, crc32c(0, head, 20));
}

static uint32_t block_crc(uint64_t salt, uint64_t number, const void *payload, size_t n)
{
    unsigned char seed[16];

    put_u64(seed, salt);
    put_u64(seed + 8, number);
    return crc32c(crc32c(0, seed, sizeof(seed)), payload, n);
}

void segment_write_block_head(unsigned char head[SEGMENT_BLOCK_HEAD], uint64_t salt,
                              uint64_t number, const void *payload, size_t n)
{
    put_u32(head, (uint32_t)n);
    put_u32(head + 4, block_crc(salt, number, payload, n));
    put_u64(head + 8, number);
}

/* --- Parsing --------------------------------------------------------------------------------- */

/* The length of the payload of a good block at `bytes`, or 0; its number is over `after`. */
static size_t good_block(const unsigned char *bytes, size_t n, uint64_t salt, uint64_t after,
                         uint64_t *number)
{
    size_t len;

    if (n < SEGMENT_BLOCK_HEAD)
        return 0;
    len = load_u32(bytes);
    *number = load_u64(bytes + 8);
    if (len == 0 || len > JOURNAL_PAYLOAD_MAX || len > n - SEGMENT_BLOCK_HEAD || *number <= after)
        return 0;
    if (load_u32(bytes + 4) != block_crc(salt, *number, bytes + SEGMENT_BLOCK_HEAD, len))
        return 0;
    return len;
}

/* Whether there is a good block, one of the next million, anywhere in what follows block `after`
 * but isn't the block after it. */
static bool any_good_block(const unsigned char *bytes, size_t n, uint64_t salt, uint64_t after)
{
    for (size_t at = 0; at + SEGMENT_BLOCK_HEAD < n; at++) {
        uint64_t number = load_u64(bytes + at + 8);

        if (number > after && number - after < (1U << 20) &&
            good_block(bytes + at, n - at, salt, after, &number) > 0)
            return true;
    }
    return false;
}

static bool is_zero(const unsigned char *bytes, size_t n)
{
    return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

static bool good_head(const unsigned char *bytes, size_t n)
{
    return n >= SEGMENT_HEAD && memcmp(bytes, magic, MAGIC_SIZE) == 0 &&
           load_u32(bytes + 20) == crc32c(0, bytes, 20);
}

static int replay_block(struct segment_replay *replay, const unsigned char *payload, size_t len)
{
    int rc = 0;

    if (replay->next > replay->applied) {
        rc = replay->cb(payload, len, replay->arg);
        replay->replayed++;
    }
    replay->next++;
    return rc;
}

/* The head is on disk before any block is written, so that a torn head has none after it. */
enum segment_end segment_parse(const unsigned char *bytes, size_t n, struct segment_replay *replay,
                               size_t *good, int *stopped)
{
    size_t at = SEGMENT_HEAD;
    uint64_t number;
    uint64_t salt;
    size_t len;

    *good = 0;
    if (!good_head(bytes, n))
        return n <= SEGMENT_HEAD ? SEGMENT_TORN : SEGMENT_DAMAGED;
    salt = load_u64(bytes + 8);
    for (; at < n; at += SEGMENT_BLOCK_HEAD + len) {
        len = good_block(bytes + at, n - at, salt, replay->next - 1, &number);
        if (len == 0 || number != replay->next)
            break;
        *stopped = replay_block(replay, bytes + at + SEGMENT_BLOCK_HEAD, len);
        if (*stopped != 0)
            return SEGMENT_STOPPED;
    }
    *good = at;
    if (is_zero(bytes + at, n - at)) /* nothing, or what was written ahead */
        return SEGMENT_WHOLE;
    if (!(load_u32(bytes + 16) & FLAG_NO_SYNC) &&
        any_good_block(bytes + at, n - at, salt, replay->next - 1))
        return SEGMENT_DAMAGED;
    return SEGMENT_TORN;
}

/* --- Files ----------------------------------------------------------------------------------- */

static int compare_segments(const void *a, const void *b)
{
    const struct segment *x = a;
    const struct segment *y = b;

    return (x->first > y->first) - (x->first < y->first);
}

static int add_segment(struct segment_list *list, int dirfd, const char *name)
{
    struct segment *grown;
    struct stat st;
    static const char prefix[] = "journal.";
    size_t n = sizeof(prefix) - 1;
    uint64_t first;
    char *end;

    if (strncmp(name, prefix, n) != 0 || name[n] < '0' || name[n] > '9')
        return 0;
    first = strtoull(name + n, &end, 10);
    if (*end != '\0')
        return 0;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    grown = realloc(list->segments, (list->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return UV_ENOMEM;
    list->segments = grown;
    grown[list->count++] = (struct segment){.first = first, .size = (uint64_t)st.st_size};
    return 0;
}

int segment_list_read(const char *directory, struct segment_list *list)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;
    int rc = 0;

    if (dir == NULL)
        return -errno;
    while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL)
        rc = add_segment(list, dirfd(dir), entry->d_name);
    if (rc == 0 && errno != 0)
        rc = -errno;
    closedir(dir);
    if (list->count > 0)
        qsort(list->segments, list->count, sizeof(*list->segments), compare_segments);
    return rc;
}

void segment_list_deinit(struct segment_list *list)
{
    free(list->segments);
    *list = (struct segment_list){0};
}

/* Reads the file, from the disk where the kernel lets us. */
static int read_file(const char *path, unsigned char **bytes, size_t *n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    size_t at = 0;
    ssize_t got = 1;
    int error;

    *bytes = NULL;
    if (fd < 0 || fstat(fd, &st) < 0)
        goto err;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    *n = (size_t)st.st_size;
    *bytes = malloc(*n + 1);
    if (*bytes == NULL)
        goto err;
    while (at < *n && (got = pread(fd, *bytes + at, *n - at, (off_t)at)) != 0) {
        if (got < 0 && errno != EINTR)
            goto err;
        at += got > 0 ? (size_t)got : 0;
    }
    *n = at;
    close(fd);
    return 0;

err:
    error = errno;
    directory_failed("read", path, error);
    free(*bytes);
    if (fd >= 0)
        close(fd);
    return error == ENOMEM ? UV_ENOMEM : UV_EIO;
}

int segment_replay(const char *directory, struct segment *segment, const char *whole,
                   struct segment_replay *replay, uint64_t *cut)
{
    char path[PATH_MAX];
    unsigned char *bytes;
    enum segment_end end;
    size_t good;
    int stopped;
    size_t n;
    int rc;

    snprintf(path, sizeof(path), "%s/" SEGMENT_NAME, directory, segment->first);
    rc = read_file(path, &bytes, &n);
    if (rc < 0)
        return rc;
    end = segment_parse(bytes, n, replay, &good, &stopped);
    free(bytes);
    if (end == SEGMENT_STOPPED)
        return stopped;
    if (end == SEGMENT_DAMAGED || (end == SEGMENT_TORN && whole != NULL)) {
        log_error("%s is damaged at byte %zu, and %s" STORE_MEND, path, good,
                  end == SEGMENT_DAMAGED ? "there are good blocks after it" : whole);
        return UV_EILSEQ;
    }
    if (cut != NULL)
        *cut = end == SEGMENT_TORN ? n - good : 0;
    segment->size = good;
    return 0;
}

int segment_truncate(const char *directory, const struct segment *segment)
{
    char path[PATH_MAX];
    int rc = 0;
    int fd;

    snprintf(path, sizeof(path), "%s/" SEGMENT_NAME, directory, segment->first);
    if (segment->size <= SEGMENT_HEAD) {
        if (unlink(path) < 0 && errno != ENOENT)
            return directory_failed("remove", path, errno);
        rc = directory_sync(directory);
        return rc < 0 ? directory_failed("remove", path, -rc) : 0;
    }
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)segment->size) < 0 || fsync(fd) < 0)
        rc = directory_failed("cut", path, errno);
    if (fd >= 0)
        close(fd);
    return rc;
}
