#include "index/access/ticket.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "index/base/base64.h"
#include "index/base/hex.h"

#define SECONDS_DIGITS 12 /* at most */
#define MAC_SIZE       BASE64URL_SIZE(MD5_SIZE)

static_assert(TICKET_PART == 2 * SHA256_SIZE, "a part is a hash in digits");
static_assert(TICKET_SIZE >= SECRET_ID_SIZE + MAC_SIZE + 1 + SECONDS_DIGITS + 1, "all of it fits");

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

/* Writes the decimal digits and a NUL, and returns how many they are. A ticket is made for each
 * read, and printf() would take longer than the hash. */
static size_t write_number(int64_t number, char *text)
{
    char digits[SECONDS_DIGITS];
    size_t n = 0;

    assert(number > 0);
    for (; number > 0 && n < sizeof(digits); number /= 10)
        digits[n++] = (char)('0' + number % 10);
    assert(number == 0);
    for (size_t i = 0; i < n; i++)
        text[i] = digits[n - 1 - i];
    text[n] = '\0';
    return n;
}

void ticket_write(const struct ticket_key *key, const char *method, const char *path,
                  size_t path_len, int64_t expires, char ticket[TICKET_SIZE])
{
    char *mac = ticket + SECRET_ID_SIZE;
    char *seconds = mac + MAC_SIZE + 1;
    unsigned char hash[MD5_SIZE];
    struct md5 md5 = key->begun;
    size_t n = write_number(expires, seconds);

    md5_add(&md5, seconds, n);
    md5_add(&md5, " ", 1);
    md5_add(&md5, method, strlen(method));
    md5_add(&md5, " ", 1);
    md5_add(&md5, path, path_len);
    md5_add(&md5, key->tail, TICKET_PART);
    md5_finish(&md5, hash);
    memcpy(ticket, key->id, SECRET_ID_SIZE - 1);
    mac[-1] = '.';
    base64url_encode(hash, sizeof(hash), mac);
    mac[MAC_SIZE] = ',';
}
