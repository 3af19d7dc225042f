#include "index/access/ticket.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "index/base/base64.h"
#include "index/base/hex.h"

#define MAC_SIZE BASE64URL_SIZE(MD5_SIZE)

static_assert(TICKET_PART == 2 * SHA256_SIZE, "a part is a hash in digits");
static_assert(TICKET_SIZE >= SECRET_ID_SIZE + MAC_SIZE + 1 + 12 + 1, "seconds have 12 digits");

static void derive_part(const struct secret *secret, const char *part, const char *identity,
                        char digits[TICKET_PART + 1])
{
    char text[256];
    unsigned char code[SHA256_SIZE];
    int n = snprintf(text, sizeof(text), "mkv ticket 1 %s %s", part, identity);

    assert(n > 0 && (size_t)n < sizeof(text));
    sha256_hmac(secret->key, sizeof(secret->key), text, (size_t)n, code);
    hex_write(code, sizeof(code), digits);
    OPENSSL_cleanse(code, sizeof(code));
}

void ticket_key_derive(const struct secret *secret, const char *identity, struct ticket_key *key)
{
    memcpy(key->id, secret->id, sizeof(key->id));
    derive_part(secret, "head", identity, key->head);
    derive_part(secret, "tail", identity, key->tail);
    md5_begin(&key->begun);
    md5_add(&key->begun, key->head, TICKET_PART);
}

void ticket_key_deinit(struct ticket_key *key)
{
    OPENSSL_cleanse(key, sizeof(*key));
}

void ticket_write(const struct ticket_key *key, const char *method, const char *path,
                  size_t path_len, int64_t expires, char ticket[TICKET_SIZE])
{
    unsigned char hash[MD5_SIZE];
    char mac[MAC_SIZE];
    char text[TICKET_SIZE];
    struct md5 md5 = key->begun;
    int n = snprintf(text, sizeof(text), "%" PRId64 " ", expires);

    assert(expires > 0 && expires < 1000000000000);
    md5_add(&md5, text, (size_t)n);
    md5_add(&md5, method, strlen(method));
    md5_add(&md5, " ", 1);
    md5_add(&md5, path, path_len);
    md5_add(&md5, key->tail, TICKET_PART);
    md5_finish(&md5, hash);
    base64url_encode(hash, sizeof(hash), mac);
    snprintf(ticket, TICKET_SIZE, "%s.%.*s,%" PRId64, key->id, (int)MAC_SIZE, mac, expires);
}
