/* A growable byte buffer that is written at its end and consumed from its front. Embedded by value;
 * all zero is a valid empty buffer. */
#ifndef MKV_BASE_BUF_H
#define MKV_BASE_BUF_H

#include <stddef.h>

struct buf {
    char *data;      /* start of the allocation, NULL while capacity is 0 */
    size_t head;     /* offset of the first byte not yet consumed */
    size_t tail;     /* offset after the last byte written */
    size_t capacity; /* bytes allocated */
};

/* Frees the memory and leaves an empty buffer. */
void buf_deinit(struct buf *b);

/* Makes room for `n` more bytes at the end. 0 or -ENOMEM. Pointers into the buffer expire. */
int buf_reserve(struct buf *b, size_t n);

/* Append; each returns 0, or -ENOMEM with the buffer as it was. */
int buf_append(struct buf *b, const void *data, size_t n);
int buf_append_string(struct buf *b, const char *text);
int buf_append_format(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The unconsumed bytes, NULL if nothing was ever written; expires at the next call that appends. */
static inline const char *buf_bytes(const struct buf *b)
{
    return b->data != NULL ? b->data + b->head : NULL;
}

static inline size_t buf_size(const struct buf *b)
{
    return b->tail - b->head;
}

/* Drops all bytes and keeps the memory. */
static inline void buf_clear(struct buf *b)
{
    b->head = b->tail = 0;
}

/* Drops what is after the first `n` unconsumed bytes, n <= buf_size(). */
static inline void buf_truncate(struct buf *b, size_t n)
{
    b->tail = b->head + n;
}

/* Drops `n` bytes from the front, n <= buf_size(). */
void buf_consume(struct buf *b, size_t n);

#endif
