/* How the nginx of a subcommand speaks TLS: what its config says of that, and the copies of the PEM
 * files that the config names. nginx gets copies since it runs as another user than mkv started by
 * root, who alone may read a key; and so that a file that is being replaced is never half of it. */
#ifndef MKV_LAUNCHER_TLS_H
#define MKV_LAUNCHER_TLS_H

#include <stdbool.h>

#include "index/base/tls_files.h"
#include "launcher/nginx/account.h"

/* All is borrowed. Without a certificate nginx listens to plain HTTP; all zero is no TLS at all. */
struct tls {
    struct tls_paths paths; /* the authorities: of clients, or with `asks_volumes` of volumes */
    bool asks_volumes;      /* nginx is a client of volumes, too */
    const char *system_authorities; /* by which volumes are verified where `paths` has none */
};

/* Appends what follows the `listen` directives in a server: its certificate, and what it takes of
 * clients. `modern` says that nginx has the directive http2. Nothing without a certificate. The
 * paths are those that nginx is to open. 0; -ENOMEM; -EINVAL where nginx's config can't hold one of
 * them, after a log line. */
int tls_append_server(const struct tls *tls, const struct tls_paths *paths, bool modern,
                      struct buf *out);

/* The same of what nginx needs to ask volumes by TLS: nothing unless it asks some. */
int tls_append_volumes(const struct tls *tls, const struct tls_paths *paths, struct buf *out);

/* What stands after the address in each `listen`: "", " ssl" or " ssl http2". */
const char *tls_listen_words(const struct tls *tls, bool modern);

/* Reads and checks the files and writes copies beside the file at `base`, which only `account` can
 * read: those of which there are paths. 0 and their *paths, which tls_forget_copies() frees, or
 * -errno after one log line. */
int tls_make_copies(const struct tls *tls, const char *base, const struct account *account,
                    struct tls_paths *paths);

/* Frees the paths, and with `remove` the files at them. */
void tls_forget_copies(struct tls_paths *paths, bool remove);

/* Until when the certificate that lies there now is valid, seconds since 1970; 0: there is none, or
 * it can't be read. Blocks. */
int64_t tls_expires(const struct tls *tls);

/* Logs what there is to say of a certificate that is valid until `expires`, if anything. */
void tls_log_expiry(const struct tls *tls, int64_t expires);

#endif
