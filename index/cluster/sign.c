#include "index/cluster/sign.h"

#include <openssl/crypto.h>

#include "index/base/clock.h"

void signer_set(struct signer *signer, const struct secrets *secrets, unsigned ttl)
{
    static uint64_t versions;

    signer_deinit(signer);
    if (secrets == NULL || secrets->n == 0)
        return;
    signer->version = ++versions;
    signer->ttl = ttl;
    signer->secret = secrets->items[0];
}

void signer_deinit(struct signer *signer)
{
    OPENSSL_cleanse(signer, sizeof(*signer));
}

bool sign(const struct signer *signer, struct signing_key *key, const char *identity,
          const char *method, const char *path, size_t len, char ticket[TICKET_SIZE])
{
    ticket[0] = '\0';
    if (signer->version == 0)
        return false;
    if (key->version != signer->version)
        ticket_key_derive(&signer->secret, identity, &key->key);
    key->version = signer->version;
    ticket_write(&key->key, method, path, len, (int64_t)(clock_now_ms() / 1000) + signer->ttl,
                 ticket);
    return true;
}
