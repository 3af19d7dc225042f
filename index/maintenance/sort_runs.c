#include "index/maintenance/sort_runs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "index/base/disk_error.h"
#include "index/base/log.h"

static int failure(const char *verb, int error)
{
    log_error("cannot %s a temporary file to sort in: %s", verb, strerror(error));
    return disk_error(error);
}

static int out_of_memory(void)
{
    log_error("cannot sort: out of memory");
    return UV_ENOMEM;
}

void sort_runs_deinit(struct sort_runs *r)
{
    if (r->fd >= 0)
        close(r->fd);
    free(r->list);
}

/* --- Writing --------------------------------------------------------------------------------- */

/* Nobody else finds it; what a crash between these calls leaves, the next one of that name removes.
 */
static int open_file(struct sort_runs *r)
{
    char name[64];

    if (r->fd >= 0)
        return 0;
    snprintf(name, sizeof(name), "sort-%ld-%p.tmp", (long)getpid(), (void *)r);
    unlinkat(r->dir_fd, name, 0);
    r->fd = openat(r->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (r->fd < 0)
        return failure("make", errno);
    if (unlinkat(r->dir_fd, name, 0) < 0)
        return failure("unlink", errno);
    return 0;
}

static int flush(struct sort_runs *r)
{
    size_t done = 0;

    while (done < r->buffered) {
        ssize_t n = pwrite(r->fd, r->buffer + done, r->buffered - done, r->end);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return failure("write to", n < 0 ? errno : EIO);
        done += (size_t)n;
        r->end += n;
    }
    r->buffered = 0;
    return 0;
}

static int write_bytes(struct sort_runs *r, const unsigned char *bytes, size_t n)
{
    int rc = 0;

    while (n > 0 && rc == 0) {
        size_t room = r->buffer_size - r->buffered;
        size_t part = n < room ? n : room;

        memcpy(r->buffer + r->buffered, bytes, part);
        r->buffered += part;
        bytes += part;
        n -= part;
        if (r->buffered == r->buffer_size)
            rc = flush(r);
    }
    return rc;
}

static int reserve_run(struct sort_runs *r)
{
    size_t room = r->room > 0 ? 2 * r->room : SORT_FAN_MAX;
    struct sort_extent *list;

    if (r->count < r->room)
        return 0;
    list = realloc(r->list, room * sizeof(*list));
    if (list == NULL)
        return out_of_memory();
    r->list = list;
    r->room = room;
    return 0;
}

int sort_runs_add(struct sort_runs *r, const struct sort_item *items, size_t n)
{
    struct sort_entry entry;
    off_t begin = r->end;
    int rc = reserve_run(r);

    if (rc == 0)
        rc = open_file(r);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = write_bytes(r, items[i].at, sort_entry_read(items[i].at, &entry));
    if (rc == 0)
        rc = flush(r);
    if (rc == 0)
        r->list[r->count++] = (struct sort_extent){begin, r->end};
    return rc;
}

/* --- Reading --------------------------------------------------------------------------------- */

/* Reads on, after what is still to come. The disk need not keep what was read; one that can't give
 * it up does. */
static int read_on(struct sort_runs *r, struct sort_input *in)
{
    size_t left = in->end - in->at;
    size_t room = in->size - left;
    ssize_t n;

    memmove(in->bytes, in->bytes + in->at, left);
    in->at = 0;
    in->end = left;
    if ((off_t)room > in->rest.end - in->rest.at)
        room = (size_t)(in->rest.end - in->rest.at);
    do
        n = pread(r->fd, in->bytes + left, room, in->rest.at);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return failure("read from", n < 0 ? errno : EIO);
    fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, in->rest.at, n);
    in->end += (size_t)n;
    in->rest.at += n;
    return 0;
}

/* Whether the next entry is there as a whole. */
static bool has_entry(struct sort_input *in)
{
    size_t left = in->end - in->at;

    return left >= SORT_HEAD && left >= sort_entry_read(in->bytes + in->at, &in->entry);
}

/* Goes to the run's next entry. 1, 0 at its end, or a negative UV_E*. */
static int advance(struct sort_runs *r, struct sort_input *in)
{
    int rc = 0;

    while (rc == 0 && !has_entry(in)) {
        if (in->rest.at == in->rest.end)
            return in->at == in->end ? 0 : failure("read from", EIO);
        rc = in->end - in->at < in->size ? read_on(r, in) : failure("read from", EIO);
    }
    if (rc < 0)
        return rc;
    if (in->entry.len > SORT_ENTRY_MAX || in->entry.key_len > in->entry.len)
        return failure("read from", EIO);
    in->at += SORT_HEAD + in->entry.len;
    return 1;
}

/* --- Merging --------------------------------------------------------------------------------- */

/* Of equal entries, that of the earlier run is the lesser one. */
static bool is_less(const struct sort_runs *r, const struct sort_input *a,
                    const struct sort_input *b)
{
    int order = sort_entry_compare(&a->entry, &b->entry, r->compare);

    return order != 0 ? order < 0 : a < b;
}

static void sift_down(struct sort_runs *r, size_t i)
{
    struct sort_input *in = r->heap[i];

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= r->n_heap)
            break;
        if (child + 1 < r->n_heap && is_less(r, r->heap[child + 1], r->heap[child]))
            child++;
        if (!is_less(r, r->heap[child], in))
            break;
        r->heap[i] = r->heap[child];
        i = child;
    }
    r->heap[i] = in;
}

/* Opens the `n` runs from the list's number `first` on. The heap holds each at its first entry. */
static int open_inputs(struct sort_runs *r, size_t first, size_t n, unsigned char *memory,
                       size_t size)
{
    size_t part = size / n;

    assert(n <= SORT_FAN_MAX && part >= SORT_WHOLE_MAX);
    r->n_heap = 0;
    for (size_t i = 0; i < n; i++) {
        struct sort_input *in = &r->inputs[i];
        int rc;

        *in = (struct sort_input){r->list[first + i], memory + i * part, part, 0, 0, {0}};
        rc = advance(r, in);
        if (rc < 0)
            return rc;
        if (rc > 0)
            r->heap[r->n_heap++] = in;
    }
    for (size_t i = r->n_heap / 2; i-- > 0;)
        sift_down(r, i);
    return 0;
}

/* Goes on from the least entry. */
static int next_least(struct sort_runs *r)
{
    int rc = advance(r, r->heap[0]);

    if (rc < 0)
        return rc;
    if (rc == 0)
        r->heap[0] = r->heap[--r->n_heap];
    if (r->n_heap > 0)
        sift_down(r, 0);
    return 0;
}

/* Puts one run in the place of `n`. */
static int merge(struct sort_runs *r, size_t first, size_t n, unsigned char *memory, size_t size)
{
    off_t begin = r->end;
    int rc = open_inputs(r, first, n, memory, size);

    while (rc == 0 && r->n_heap > 0) {
        const struct sort_entry *entry = &r->heap[0]->entry;

        rc = write_bytes(r, entry->bytes - SORT_HEAD, SORT_HEAD + entry->len);
        if (rc == 0)
            rc = next_least(r);
    }
    if (rc == 0)
        rc = flush(r);
    if (rc < 0)
        return rc;
    r->list[first] = (struct sort_extent){begin, r->end};
    r->count -= n - 1;
    memmove(r->list + first + 1, r->list + first + n, (r->count - first - 1) * sizeof(*r->list));
    return 0;
}

/* Merges neighbours only, so that equal entries keep their order; no more than it takes; and no run
 * twice in a pass. */
int sort_runs_begin(struct sort_runs *r, unsigned char *memory, size_t size)
{
    size_t most = size / (2 * SORT_WHOLE_MAX);
    size_t fan = most < SORT_FAN_MAX ? most : SORT_FAN_MAX;
    size_t first = 0;
    int rc = 0;

    while (r->count > fan && rc == 0) {
        size_t n = r->count - fan + 1 < fan ? r->count - fan + 1 : fan;

        if (first + n > r->count)
            first = 0;
        rc = merge(r, first++, n, memory, size);
    }
    return rc == 0 ? open_inputs(r, 0, r->count, memory, size) : rc;
}

/* The entry stays where it is until the next call: so the heap still has its input on top, and that
 * is moved on then. */
int sort_runs_next(struct sort_runs *r, struct sort_entry *entry)
{
    int rc = r->begun && r->n_heap > 0 ? next_least(r) : 0;

    r->begun = true;
    if (rc < 0 || r->n_heap == 0)
        return rc;
    *entry = r->heap[0]->entry;
    return 1;
}
