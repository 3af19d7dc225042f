/* Requests as text, for tests of index/access. */
#ifndef MKV_TESTS_ACCESS_REQUEST_H
#define MKV_TESTS_ACCESS_REQUEST_H

#include "index/access/access.h"

#define ACCESS_REQUEST_HEADERS 100

struct access_head {
    char *text; /* cut into words */
    unsigned n;
    char *names[ACCESS_REQUEST_HEADERS];
    char *values[ACCESS_REQUEST_HEADERS];
    struct access_request request;
};

/* Reads "METHOD TARGET HTTP/1.1\nNAME: VALUE\n..." as far as it is that. False when there is no
 * target. access_head_deinit() in each case. */
bool access_head_init(struct access_head *head, const char *text, size_t len, int64_t now);
void access_head_deinit(struct access_head *head);

/* `text` with `new` in place of the first `old`, which must be there; valid for three more calls.
 */
const char *access_text_with(const char *text, const char *old, const char *new);

/* The keys that a file of this text has; aborts when it is refused. */
struct keys *access_keys(const char *text);

/* keys_read() of such a file, whose mode is `mode`. */
int access_keys_read(const char *text, size_t len, unsigned mode, struct keys **keys,
                     char why[KEYS_WHY_SIZE]);

#endif
