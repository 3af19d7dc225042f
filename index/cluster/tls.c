/* Transfers to volumes by TLS: with which certificates, and what it means when the handshake fails.
 *
 * libcurl is given the bytes, not the files' names: so all transfers that begin between two HUPs
 * see the same, and a connection that was made with others isn't taken again. */
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/base/private_file.h"
#include "index/cluster/internal.h"
#include "index/cluster/volumes.h"

/* What transfers use that began while it was set; freed with the last one. */
struct transfer_tls {
    unsigned holds;
    struct tls_files files;
};

static struct transfer_tls *hold(struct transfer_tls *tls)
{
    if (tls != NULL)
        tls->holds++;
    return tls;
}

void tls_release(struct transfer_tls *tls)
{
    if (tls == NULL || --tls->holds > 0)
        return;
    tls_files_deinit(&tls->files);
    free(tls);
}

static int copy_text(struct buf *to, const struct buf *from)
{
    int rc = buf_size(from) > 0 ? buf_reserve(to, buf_size(from)) : 0;

    return rc == 0 && buf_size(from) > 0 ? buf_append(to, buf_bytes(from), buf_size(from)) : rc;
}

static int copy(struct tls_files *to, const struct tls_files *from)
{
    if (copy_text(&to->certificate, &from->certificate) < 0 ||
        copy_text(&to->key, &from->key) < 0 || copy_text(&to->authorities, &from->authorities) < 0)
        return UV_ENOMEM;
    to->expires = from->expires;
    return 0;
}

int transfers_set_tls(struct transfers *engine, const struct tls_files *files)
{
    struct transfer_tls *tls = calloc(1, sizeof(*tls));

    if (tls == NULL)
        return UV_ENOMEM;
    tls->holds = 1;
    if (copy(&tls->files, files) < 0) {
        tls_release(tls);
        return UV_ENOMEM;
    }
    tls_release(engine->tls);
    engine->tls = tls;
    return 0;
}

int transfers_copy_tls(const struct transfers *engine, struct tls_files *files)
{
    *files = (struct tls_files){.expires = 0};
    return engine->tls != NULL ? copy(files, &engine->tls->files) : 0;
}

const char *transfers_system_authorities(void)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

    return info->age >= CURLVERSION_SEVENTH ? info->cainfo : NULL;
}

/* Borrowed by the handle: the transfer holds what the bytes are in. */
static CURLcode set_blob(CURL *easy, CURLoption option, const struct buf *text)
{
    struct curl_blob blob = {
        .data = (void *)buf_bytes(text), .len = buf_size(text), .flags = CURL_BLOB_NOCOPY};

    return blob.len > 0 ? curl_easy_setopt(easy, option, &blob) : CURLE_OK;
}

int tls_prepare(struct transfer *t)
{
    const struct tls_files *files;
    CURLcode code;

    curl_easy_setopt(t->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, 2L);
    t->tls = hold(t->engine->tls);
    if (t->tls == NULL)
        return 0;
    files = &t->tls->files;
    code = set_blob(t->easy, CURLOPT_CAINFO_BLOB, &files->authorities);
    if (code == CURLE_OK)
        code = set_blob(t->easy, CURLOPT_SSLCERT_BLOB, &files->certificate);
    if (code == CURLE_OK)
        code = set_blob(t->easy, CURLOPT_SSLKEY_BLOB, &files->key);
    if (code == CURLE_OK)
        return 0;
    log_limited(LOG_LEVEL_ERROR, "this libcurl can't take certificates: %s",
                curl_easy_strerror(code));
    return code == CURLE_OUT_OF_MEMORY ? UV_ENOMEM : UV_ENOTSUP;
}

static const char *explain_verification(const struct transfer *t)
{
    long result = X509_V_OK;

    curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &result);
    switch (result) {
    case X509_V_OK:
    case X509_V_ERR_UNSPECIFIED: /* libcurl's first value: the chain was good, and then the name */
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "its certificate is of another host";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "its certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "its certificate isn't valid yet";
    default:
        return "its certificate isn't trusted (--tls-ca)";
    }
}

const char *tls_explain(const struct transfer *t, CURLcode code)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return explain_verification(t);
    case CURLE_SSL_CONNECT_ERROR:
        return "it speaks no TLS, or broke the handshake off";
    case CURLE_SSL_CACERT_BADFILE:
        return "the index can't read the authorities to trust (--tls-ca)";
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ENGINE_NOTFOUND:
        return "the index can't use its own certificate (--tls-cert)";
    default:
        return NULL;
    }
}
