/* The secret of a cluster: whoever has it signs tickets (ticket.h), and opens them. Its file:
 *
 *     # what signs now
 *     pSPT0yq9u8qS3nPyB1jH0Xv7mF5cKdWw2eR4tZ6aLgE
 *     # what opens, too, until the last one that was signed by it has expired
 *     b1jH0Xv7mF5cKdWw2eR4tZ6aLgEpSPT0yq9u8qS3nPy
 *
 * One line a secret, two at most; empty lines and those that begin with '#' mean nothing. What is
 * kept is derived from the lines. It is in no message and no log. */
#ifndef MKV_ACCESS_SECRET_H
#define MKV_ACCESS_SECRET_H

#include <stddef.h>

#include "index/base/base64.h"
#include "index/base/sha256.h"

#define SECRETS_MAX     2   /* in the file */
#define SECRET_MIN      32  /* characters of one */
#define SECRET_MAX      512 /* likewise */
#define SECRET_ID_SIZE  9   /* of its name, 8 lower-case hex digits, and a NUL */
#define SECRET_WHY_SIZE 512 /* of a message, its NUL included */

struct secret {
    char id[SECRET_ID_SIZE]; /* its name, which gives nothing away */
    unsigned char key[SHA256_SIZE];
};

/* All zero is none. */
struct secrets {
    size_t n; /* 0: tickets are neither made nor asked for */
    struct secret items[SECRETS_MAX];
};

/* Reads the file. It is refused as private_file.h says, and unless it has one or two different
 * secrets, of printable ASCII characters without spaces. 0, or a negative UV_E* or -errno with one
 * line in `why` that names the file and the line in it; *secrets is untouched then. Blocks. */
int secrets_read(const char *path, struct secrets *secrets, char why[SECRET_WHY_SIZE]);

/* The same of the text that the file holds, with its `name` for messages. */
int secrets_parse(const char *text, size_t len, const char *name, struct secrets *secrets,
                  char why[SECRET_WHY_SIZE]);

/* Wipes. */
void secrets_deinit(struct secrets *secrets);

#define SECRET_TEXT_SIZE (BASE64URL_SIZE(SHA256_SIZE) + 1) /* of a new one, with its NUL */

/* Writes a new secret: 256 random bits in base64url (RFC 4648, section 5). 0, or -EIO where the
 * machine gives no random bytes. */
int secret_invent(char text[SECRET_TEXT_SIZE]);

#endif
