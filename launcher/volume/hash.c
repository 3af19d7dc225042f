/* A file is read and hashed a slice at a time, gives way to others after each, and stays open from
 * one piece to the next, so that a long one holds up neither other requests nor a stop. */
#include "launcher/volume/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/hex.h"
#include "index/base/md5.h"
#include "index/base/shortage.h"
#include "launcher/volume/blob_body.h"
#include "launcher/volume/sync_disk.h"

#define SLICE  (64 * 1024) /* a tenth of a millisecond's work */
#define LARGE  (8LL << 20) /* bytes of a file that would push others out of the page cache */
#define WINDOW (4LL << 20) /* bytes after which those read are given up, in a large one */

struct hash {
    struct blob_body body; /* while the lines come */
    struct pieces *hashes;
    int directory;
    const char *path; /* of the file that is next, or is being read */
    size_t left;      /* files, that one too */
    int fd;           /* or -1 */
    bool is_large;
    long long whole; /* its size when it was opened */
    long long size;  /* read of it so far */
    long long kept;  /* of that, what came before this is not in the page cache */
    struct md5 md5;
    char *slice; /* made with the first file */
};

static struct hash *hash_of(struct blob_body *body)
{
    return (struct hash *)body;
}

static void hash_free(void *source)
{
    struct hash *h = source;

    if (h->fd >= 0)
        close(h->fd);
    free(h->slice);
    free(h->body.lines.paths);
    free(h);
}

/* --- The thread ------------------------------------------------------------------------------ */

/* Ends the line of this file. */
static int end_file(struct hash *h, int rc, struct buf *out)
{
    unsigned char md5[MD5_SIZE];
    char hex[2 * MD5_SIZE + 1];

    if (h->fd >= 0) {
        close(h->fd);
        md5_finish(&h->md5, md5);
        hex_write(md5, MD5_SIZE, hex);
    }
    h->fd = -1;
    if (rc == -ENOENT)
        rc = buf_append_format(out, "/%s\tmissing\n", h->path);
    else if (rc < 0)
        rc = buf_append_format(out, "/%s\terror\t%s\n", h->path, strerror(-rc));
    else
        rc = buf_append_format(out, "/%s\t%lld\t%s\n", h->path, h->size, hex);
    h->path += strlen(h->path) + 1;
    h->left--;
    return rc;
}

/* Opens the file that is next. 0, or -ENOENT when it is no plain one, or another -errno. */
static int open_file(struct hash *h)
{
    struct stat st;

    h->fd = sync_disk_open(h->directory, h->path, 0);
    if (h->fd < 0)
        return h->fd == -ENOTDIR || h->fd == -ELOOP ? -ENOENT : h->fd;
    if (fstat(h->fd, &st) < 0)
        return -errno;
    h->whole = st.st_size;
    return S_ISREG(st.st_mode) ? 0 : -ENOENT;
}

static int begin_file(struct hash *h, struct buf *out)
{
    int rc = open_file(h);

    md5_begin(&h->md5);
    if (is_shortage(-rc)) /* says nothing of the file */
        return rc;
    if (rc < 0)
        return end_file(h, rc, out);
    h->is_large = h->whole >= LARGE;
    h->size = h->kept = 0;
    if (h->is_large)
        posix_fadvise(h->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return 0;
}

static void give_up_cache(struct hash *h, bool all)
{
    if (!h->is_large || (!all && h->size - h->kept < WINDOW))
        return;
    posix_fadvise(h->fd, h->kept, h->size - h->kept, POSIX_FADV_DONTNEED);
    h->kept = h->size;
}

static int read_slice(struct hash *h, struct buf *out)
{
    bool is_over;
    ssize_t n;

    do
        n = read(h->fd, h->slice, SLICE);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        md5_add(&h->md5, h->slice, (size_t)n);
        h->size += n;
    }
    /* A short read is the end, but of a file that somebody cuts. */
    is_over = n <= 0 || (n < SLICE && h->size == h->whole);
    give_up_cache(h, is_over);
    sched_yield(); /* else readers wait for as long as the kernel lets a thread run: milliseconds */
    return is_over ? end_file(h, n < 0 ? -errno : 0, out) : 0;
}

static void hash_make(void *source, struct piece *piece, uint64_t until)
{
    struct hash *h = source;
    struct buf *out = &piece->bytes;
    int rc = 0;

    if (h->slice == NULL && (h->slice = malloc(SLICE)) == NULL)
        rc = -ENOMEM;
    while (rc == 0 && h->left > 0 && buf_size(out) < PIECE_BYTES && uv_hrtime() < until)
        rc = h->fd < 0 ? begin_file(h, out) : read_slice(h, out);
    if (rc == 0 && h->left == 0) {
        piece->last = true;
        rc = buf_append_string(out, "end\n");
    }
    if (rc < 0)
        snprintf(piece->failure, sizeof(piece->failure), "%s", strerror(-rc));
}

/* --- The loop -------------------------------------------------------------------------------- */

static void whole_cb(struct blob_body *body)
{
    static const struct pieces_source how = {.make = hash_make, .free = hash_free};
    struct hash *h = hash_of(body);

    h->path = body->lines.paths;
    h->left = body->lines.n;
    pieces_answer(h->hashes, body->http, true, &how, h);
}

static void over_cb(struct blob_body *body)
{
    hash_free(hash_of(body));
}

void hash_post(struct pieces *hashes, int directory, struct http_request *http)
{
    static const struct blob_body_owner owner = {
        .form = BLOB_LINES_PATHS, .whole = whole_cb, .over = over_cb};
    struct hash *h = calloc(1, sizeof(*h));

    if (h == NULL) {
        http_respond_text(http, 503, "out of memory\n");
        return;
    }
    h->hashes = hashes;
    h->directory = directory;
    h->fd = -1;
    blob_body_read(&h->body, http, &owner);
}
