/* The order of keys: by bytes, a prefix first. */
#ifndef MKV_STORE_KEY_ORDER_H
#define MKV_STORE_KEY_ORDER_H

#include <stddef.h>
#include <string.h>

static inline int key_compare(const void *a, size_t a_len, const void *b, size_t b_len)
{
    size_t n = a_len < b_len ? a_len : b_len;
    int order = n > 0 ? memcmp(a, b, n) : 0; /* either may be NULL */

    if (order != 0)
        return order;
    return (a_len > b_len) - (a_len < b_len);
}

/* Bytes that both begin with. */
static inline size_t key_shared(const unsigned char *a, size_t a_len, const unsigned char *b,
                                size_t b_len)
{
    size_t max = a_len < b_len ? a_len : b_len;
    size_t n = 0;

    while (n < max && a[n] == b[n])
        n++;
    return n;
}

#endif
