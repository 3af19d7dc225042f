/* How the nginx of a subcommand speaks TLS: what its config says of that, and the copies of the PEM
 * files that the config names. nginx gets copies of what was read last: mkv started by root reads a
 * key that is root's alone, and is another user afterwards; and a file that is being replaced is
 * never half of it. */
#ifndef MKV_LAUNCHER_TLS_H
#define MKV_LAUNCHER_TLS_H

#include <stdbool.h>

#include "index/base/tls_files.h"
#include "launcher/nginx/account.h"

/* Without a certificate nginx listens to plain HTTP; all zero is no TLS at all. Paths are borrowed.
 */
struct tls {
    struct tls_files files; /* what tls_load() read */
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

/* Reads and checks the files that have a path. 0, or -errno after one log line, and the files are
 * those from before. Blocks. */
int tls_load(struct tls *tls);

/* Wipes them. */
void tls_unload(struct tls *tls);

/* Writes copies of what was loaded beside the file at `base`, which only `account` can read: those
 * of which there are paths. 0 and their *paths, which tls_forget_copies() frees, or -errno after
 * one log line. */
int tls_make_copies(const struct tls *tls, const char *base, const struct account *account,
                    struct tls_paths *paths);

/* Frees the paths, and with `remove` the files at them. */
void tls_forget_copies(struct tls_paths *paths, bool remove);

/* Logs what there is to say of the certificate's end, if anything. */
void tls_log_expiry(const struct tls *tls);

#endif
