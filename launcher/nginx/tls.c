#include "launcher/nginx/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "index/base/io.h"
#include "launcher/nginx/template.h"

/* The suites of TLS 1.2 that have forward secrecy and authenticate what they encrypt; those of 1.3
 * are all so. All are good, so the client may choose the one that is fast for it. */
#define CIPHERS                                                                                    \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"     \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

/* Sessions are resumed from a cache that the workers share. Tickets would do without, but for keys
 * that old nginxes never change. */
#define SERVER_RULES                                                                               \
    " ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers " CIPHERS "; ssl_prefer_server_ciphers off;"      \
    " ssl_session_cache shared:mkv_tls:10m; ssl_session_timeout 1h; ssl_session_tickets off;"

#define VOLUME_RULES                                                                               \
    "proxy_ssl_protocols TLSv1.2 TLSv1.3; proxy_ssl_verify on; proxy_ssl_verify_depth 4;"          \
    " proxy_ssl_server_name on; proxy_ssl_name $mkv_tls_name;"

/* Where the front asks itself by HTTP/1.1 (templates/index.conf.in), for the address of who asked
 * first. */
#define OWN_LISTEN                                                                                 \
    " listen unix:tmp/http_1_1.sock; set_real_ip_from unix:; real_ip_header Mkv-Real-Client;"

/* --- The config ------------------------------------------------------------------------------ */

static int append_path(struct buf *out, const char *directive, const char *path)
{
    const char *refusal = template_check_string(path);
    int rc;

    if (refusal != NULL) {
        log_error("nginx can't be told of %s: %s", path, refusal);
        return -EINVAL;
    }
    rc = buf_append_format(out, " %s ", directive);
    if (rc == 0)
        rc = template_quote(path, out);
    return rc == 0 ? buf_append_string(out, ";") : rc;
}

const char *tls_listen_words(const struct tls *tls, bool modern)
{
    if (tls->paths.certificate == NULL)
        return "";
    return modern ? " ssl" : " ssl http2";
}

int tls_append_server(const struct tls *tls, const struct tls_paths *paths, bool modern,
                      struct buf *out)
{
    int rc;

    if (tls->paths.certificate == NULL)
        return 0;
    rc = buf_append_string(out, modern ? " http2 on;" : "");
    if (rc == 0)
        rc = append_path(out, "ssl_certificate", paths->certificate);
    if (rc == 0)
        rc = append_path(out, "ssl_certificate_key", paths->key);
    if (rc == 0)
        rc = buf_append_string(out, SERVER_RULES);
    if (rc == 0 && tls->asks_volumes)
        return buf_append_string(out, OWN_LISTEN);
    if (rc < 0 || paths->authorities == NULL)
        return rc;
    rc = append_path(out, "ssl_client_certificate", paths->authorities);
    return rc == 0 ? buf_append_string(out, " ssl_verify_client on; ssl_verify_depth 4;") : rc;
}

int tls_append_volumes(const struct tls *tls, const struct tls_paths *paths, struct buf *out)
{
    const char *authorities =
        paths->authorities != NULL ? paths->authorities : tls->system_authorities;
    int rc;

    if (!tls->asks_volumes || authorities == NULL)
        return 0;
    rc = buf_append_string(out, VOLUME_RULES);
    if (rc == 0)
        rc = append_path(out, "proxy_ssl_trusted_certificate", authorities);
    if (rc == 0 && paths->certificate != NULL)
        rc = append_path(out, "proxy_ssl_certificate", paths->certificate);
    if (rc == 0 && paths->certificate != NULL)
        rc = append_path(out, "proxy_ssl_certificate_key", paths->key);
    return rc;
}

/* --- Copies ---------------------------------------------------------------------------------- */

static int write_copy(const char *path, const struct buf *text, const struct account *account)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int rc;

    if (fd < 0)
        return -errno;
    rc = io_write_all(fd, buf_bytes(text), buf_size(text));
    if (rc == 0)
        rc = account_give(account, fd);
    close(fd);
    return rc;
}

/* Where the original has a path. */
static int copy(const char *original, const char *base, const char *suffix, const struct buf *text,
                const struct account *account, const char **made)
{
    char *path;
    int rc;

    if (original == NULL)
        return 0;
    if (asprintf(&path, "%s.%s", base, suffix) < 0)
        return -ENOMEM;
    *made = path; /* from now on it is removed with the others */
    rc = write_copy(path, text, account);
    if (rc < 0)
        log_error("cannot write %s, a copy of %s for nginx: %s (set TMPDIR)", path, original,
                  strerror(-rc));
    return rc;
}

int tls_make_copies(const struct tls *tls, const char *base, const struct account *account,
                    struct tls_paths *paths)
{
    const struct tls_paths *from = &tls->paths;
    const struct tls_files *files = &tls->files;
    int rc;

    *paths = (struct tls_paths){.key = NULL};
    rc = copy(from->certificate, base, "crt", &files->certificate, account, &paths->certificate);
    if (rc == 0)
        rc = copy(from->key, base, "key", &files->key, account, &paths->key);
    if (rc == 0)
        rc = copy(from->authorities, base, "ca", &files->authorities, account, &paths->authorities);
    if (rc < 0)
        tls_forget_copies(paths, true);
    return rc;
}

void tls_forget_copies(struct tls_paths *paths, bool remove)
{
    const char *const all[] = {paths->certificate, paths->key, paths->authorities};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (remove && all[i] != NULL)
            unlink(all[i]);
        free((char *)all[i]);
    }
    *paths = (struct tls_paths){.key = NULL};
}

/* --- The files ------------------------------------------------------------------------------- */

int tls_load(struct tls *tls)
{
    struct tls_files files;
    char why[TLS_WHY_SIZE];
    int rc = tls_files_read(&tls->paths, &files, why);

    if (rc < 0) {
        log_error("%s", why);
        return rc;
    }
    tls_files_deinit(&tls->files);
    tls->files = files;
    return 0;
}

void tls_unload(struct tls *tls)
{
    tls_files_deinit(&tls->files);
}

void tls_log_expiry(const struct tls *tls)
{
    int64_t expires = tls->files.expires;
    char text[TLS_TEXT_SIZE];
    enum log_level level;

    if (expires == 0)
        return;
    level = tls_expiry_text(tls->paths.certificate, expires, time(NULL), text);
    if (text[0] != '\0')
        log_write(level, "%s", text);
}
