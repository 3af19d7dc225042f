#include "index/base/tls_files.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "index/base/private_file.h"

#define DAY 86400

/* nginx would ask a terminal for it. */
static int no_passphrase_cb(char *passphrase, int size, int writing, void *arg)
{
    (void)passphrase, (void)size, (void)writing;
    *(bool *)arg = true;
    return -1;
}

static BIO *open_text(const struct buf *text)
{
    return BIO_new_mem_buf(buf_bytes(text), (int)buf_size(text));
}

/* Whether all that is in the text are certificates, and there is one. The first is *first, which
 * X509_free() frees. */
static bool parse_certificates(const struct buf *text, X509 **first)
{
    BIO *bio = open_text(text);
    X509 *next = NULL;
    bool ended;

    *first = bio != NULL ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
    if (*first != NULL) {
        while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
            X509_free(next);
    }
    ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(bio);
    if (*first != NULL && !ended) {
        X509_free(*first);
        *first = NULL;
    }
    return *first != NULL;
}

static int read_certificates(const char *path, struct buf *text, X509 **first,
                             char why[TLS_WHY_SIZE])
{
    int rc = public_file_read(path, TLS_FILE_MAX, text, why, TLS_WHY_SIZE);

    if (rc < 0)
        return rc;
    if (parse_certificates(text, first))
        return 0;
    snprintf(why, TLS_WHY_SIZE, "%s: it holds no certificate in PEM, or a damaged one", path);
    return -EINVAL;
}

static int read_key(const char *path, struct buf *text, EVP_PKEY **key, char why[TLS_WHY_SIZE])
{
    int rc = private_file_read(path, TLS_FILE_MAX, text, why, TLS_WHY_SIZE);
    bool encrypted = false;
    BIO *bio;

    if (rc < 0)
        return rc;
    bio = open_text(text);
    *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase_cb, &encrypted) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    if (*key != NULL)
        return 0;
    snprintf(why, TLS_WHY_SIZE, "%s: %s", path,
             encrypted ? "its key has a passphrase, which nobody is here to enter: store it without"
                       : "it holds no private key in PEM");
    return -EINVAL;
}

/* Of the certificate, in seconds since 1970. */
static int64_t expiry_of(const X509 *certificate)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int seconds = 0;

    if (epoch != NULL)
        ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate));
    ASN1_TIME_free(epoch);
    return (int64_t)days * DAY + seconds;
}

static int read_pair(const struct tls_paths *paths, struct tls_files *files, char why[TLS_WHY_SIZE])
{
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;
    int rc = read_certificates(paths->certificate, &files->certificate, &certificate, why);

    if (rc == 0)
        rc = read_key(paths->key, &files->key, &key, why);
    if (rc == 0 && X509_check_private_key(certificate, key) != 1) {
        snprintf(why, TLS_WHY_SIZE, "%s: it isn't the key of the first certificate in %s",
                 paths->key, paths->certificate);
        rc = -EINVAL;
    }
    if (rc == 0)
        files->expires = expiry_of(certificate);
    ERR_clear_error();
    X509_free(certificate);
    EVP_PKEY_free(key);
    return rc;
}

int tls_files_read(const struct tls_paths *paths, struct tls_files *files, char why[TLS_WHY_SIZE])
{
    X509 *authority = NULL;
    int rc = 0;

    *files = (struct tls_files){.expires = 0};
    if (paths->certificate != NULL)
        rc = read_pair(paths, files, why);
    if (rc == 0 && paths->authorities != NULL)
        rc = read_certificates(paths->authorities, &files->authorities, &authority, why);
    X509_free(authority);
    if (rc < 0)
        tls_files_deinit(files);
    return rc;
}

void tls_files_deinit(struct tls_files *files)
{
    buf_deinit(&files->certificate);
    private_file_wipe(&files->key);
    buf_deinit(&files->authorities);
    files->expires = 0;
}

enum log_level tls_expiry_text(const char *path, int64_t expires, int64_t now,
                               char text[TLS_TEXT_SIZE])
{
    int64_t left = expires - now;

    text[0] = '\0';
    if (left <= 0) {
        snprintf(text, TLS_TEXT_SIZE, "the certificate %.*s has expired: renew it and send HUP",
                 PATH_MAX, path);
        return LOG_LEVEL_ERROR;
    }
    if (left > (int64_t)TLS_WARN_DAYS * DAY)
        return LOG_LEVEL_DEBUG;
    snprintf(text, TLS_TEXT_SIZE,
             "the certificate %.*s expires in %" PRId64 " %s: renew it and "
             "send HUP",
             PATH_MAX, path, left / DAY, left / DAY == 1 ? "day" : "days");
    return LOG_LEVEL_WARN;
}
