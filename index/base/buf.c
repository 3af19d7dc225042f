#include "index/base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_CAPACITY 256

void buf_deinit(struct buf *b)
{
    free(b->data);
    memset(b, 0, sizeof(*b));
}

int buf_reserve(struct buf *b, size_t n)
{
    size_t size = buf_size(b);
    size_t capacity = b->capacity > 0 ? b->capacity : MIN_CAPACITY;
    char *data;

    if (n <= b->capacity - b->tail)
        return 0;
    if (b->head > 0) {
        assert(b->data != NULL);
        memmove(b->data, b->data + b->head, size);
        b->head = 0;
        b->tail = size;
    }
    if (n <= b->capacity - size)
        return 0;
    if (n > SIZE_MAX / 2 - size)
        return -ENOMEM;
    while (capacity < size + n)
        capacity *= 2;
    data = realloc(b->data, capacity);
    if (data == NULL)
        return -ENOMEM;
    b->data = data;
    b->capacity = capacity;
    return 0;
}

int buf_append(struct buf *b, const void *data, size_t n)
{
    int rc = buf_reserve(b, n);

    if (rc < 0 || n == 0)
        return rc;
    memcpy(b->data + b->tail, data, n);
    b->tail += n;
    return 0;
}

int buf_append_string(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

int buf_append_format(struct buf *b, const char *format, ...)
{
    va_list args;
    size_t room;
    int n;
    int rc;

    for (;;) {
        room = b->capacity - b->tail;
        va_start(args, format);
        n = vsnprintf(b->data != NULL ? b->data + b->tail : NULL, room, format, args);
        va_end(args);
        if (n < 0)
            return -ENOMEM;
        if ((size_t)n < room)
            break;
        rc = buf_reserve(b, (size_t)n + 1);
        if (rc < 0)
            return rc;
    }
    b->tail += (size_t)n;
    return 0;
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= buf_size(b));
    b->head += n;
    if (b->head == b->tail)
        buf_clear(b);
}
