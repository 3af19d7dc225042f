/* Any query and any name: the first byte of the input is the room for the value, then the name, a
 * NUL, and the query. A value that is found doesn't leave its room, and encoded again is found
 * again. What has only that name isn't without it. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/http/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *encode(char *to, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to += sprintf(to, "%%%02x", (unsigned char)bytes[i]);
    return to;
}

static void check_again(const char *name, const char *value, size_t len)
{
    size_t name_len = strlen(name);
    char *query = malloc(3 * (name_len + len) + 3);
    char *again = malloc(len + 1);
    char *end = query;
    size_t again_len = 0;

    if (query == NULL || again == NULL)
        abort();
    *end++ = '&';
    end = encode(end, name, name_len);
    *end++ = '=';
    end = encode(end, value, len);
    if (query_find(query, (size_t)(end - query), name, again, len, &again_len) != 0 ||
        again_len != len || memcmp(again, value, len) != 0)
        abort();
    if (len > 0 &&
        query_find(query, (size_t)(end - query), name, again, len - 1, &again_len) != -EMSGSIZE)
        abort();
    free(query);
    free(again);
}

/* A query that lacks a name, and has no other, is empty. */
static void check_nothing(const char *query, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (query[i] != '&')
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *name = (const char *)data + 1;
    const char *end;
    char *value;
    size_t room;
    size_t len;
    size_t n;
    int rc;

    if (size < 2)
        return 0;
    end = memchr(name, '\0', size - 1);
    if (end == NULL)
        return 0;
    room = data[0];
    value = malloc(room); /* not a byte more: the sanitizer watches the rest */
    if (value == NULL)
        return 0;
    end++;
    n = size - (size_t)(end - (const char *)data);
    rc = query_find(end, n, name, value, room, &len);
    if (rc == 0 && len > room)
        abort();
    if (rc == 0)
        check_again(name, value, len);
    if (rc == -ENOENT && query_has_only(end, n, (const char *[]){name, NULL}))
        check_nothing(end, n);
    free(value);
    return 0;
}
