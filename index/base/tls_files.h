/* The files that TLS is spoken with, in PEM: a certificate with its chain, its key, and the
 * certificates of authorities. They are read as a whole and checked here, so that whoever is given
 * them (nginx, libcurl) has no reason to refuse them. */
#ifndef MKV_BASE_TLS_FILES_H
#define MKV_BASE_TLS_FILES_H

#include <stdint.h>

#include "index/base/buf.h"
#include "index/base/log.h"

#define TLS_FILE_MAX  (1024 * 1024) /* bytes of each */
#define TLS_WHY_SIZE  512           /* of a message, its NUL included */
#define TLS_WARN_DAYS 14            /* an expiry that is nearer is warned of */
#define TLS_TEXT_SIZE 4352          /* of a line about an expiry: a path, and words */

/* Where they are; borrowed. NULL is none. */
struct tls_paths {
    const char *certificate; /* one's own; the chain's others may follow it in the file */
    const char *key;         /* of it; there are both or none */
    const char *authorities; /* by which the other side's certificate is verified */
};

/* What they hold. All zero is nothing. */
struct tls_files {
    struct buf
        certificate; /* each with a NUL after it that doesn't count; empty where no path is */
    struct buf key;
    struct buf authorities;
    int64_t expires; /* until when the certificate is valid, seconds since 1970; 0: there is none */
};

/* Reads and checks those that have a path: each holds what it should, the key is nobody else's to
 * read (private_file.h), has no passphrase, and is the certificate's. 0, and the caller calls
 * tls_files_deinit(); or -errno and nothing is left in *files. Then `why` is one line that names
 * the file. Blocks. */
int tls_files_read(const struct tls_paths *paths, struct tls_files *files, char why[TLS_WHY_SIZE]);

/* Wipes the key, and frees all. */
void tls_files_deinit(struct tls_files *files);

/* Tells what there is to say of a certificate at `path` that is valid until `expires`, when it is
 * `now` (seconds since 1970, both): the level of a log line and the line, or LOG_LEVEL_DEBUG and ""
 * where there is time. */
enum log_level tls_expiry_text(const char *path, int64_t expires, int64_t now,
                               char text[TLS_TEXT_SIZE]);

#endif
