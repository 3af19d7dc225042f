/* Bytes as a string. */
#ifndef MKV_TESTS_SUPPORT_TEXT_COPY_H
#define MKV_TESTS_SUPPORT_TEXT_COPY_H

#include <stdlib.h>
#include <string.h>

/* What strndup() gives; that reads behind bytes without a NUL, as far as ASan's strict checks of
 * strings are concerned. Ends the process when memory is short. */
static inline char *text_copy(const void *bytes, size_t n)
{
    char *text = malloc(n + 1);

    if (text == NULL)
        abort();
    if (n > 0) /* or there may be none */
        memcpy(text, bytes, n);
    text[n] = '\0';
    return text;
}

#endif
