/* The secret itself, as Basic (RFC 7617) or Bearer (RFC 6750). The text between is
 * "ACCESS:SECRET" for both; an access key has no colon (keys.c), so that it ends at the first one.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "index/access/internal.h"
#include "index/base/base64.h"

#define WHITE    " \t"
#define PAIR_MAX (KEYS_ACCESS_MAX + 1 + KEYS_SECRET_MAX)

/* Whether both are the same, in a time that tells neither where they differ nor how long `secret`
 * is: what is compared are hashes. */
static bool is_secret(const char *given, const char *secret)
{
    unsigned char hashes[2][SHA256_SIZE];
    bool same;

    sha256_of(given, strlen(given), hashes[0]);
    sha256_of(secret, strlen(secret), hashes[1]);
    same = CRYPTO_memcmp(hashes[0], hashes[1], SHA256_SIZE) == 0;
    OPENSSL_cleanse(hashes, sizeof(hashes));
    return same;
}

/* `pair` is "ACCESS:SECRET". For a key that nobody has the work is the same. */
static enum access_result judge(struct keys *keys, char *pair, struct access_auth *auth)
{
    char *secret = strchr(pair, ':');
    const struct identity *who;
    bool known;

    if (secret == NULL)
        return ACCESS_BAD_WORD;
    *secret++ = '\0';
    who = keys_find(keys, pair, &known);
    if (!is_secret(secret, who->secret) || !known)
        return ACCESS_BAD_SECRET;
    memset(auth, 0, sizeof(*auth));
    auth->who = who;
    auth->keys = keys_hold(keys);
    auth->scheme = ACCESS_PLAIN;
    return ACCESS_OK;
}

/* The word's length without white space after it; 0 when it is none or has some within. */
static size_t word_length(const char *word)
{
    size_t len = strcspn(word, WHITE);

    return word[len + strspn(word + len, WHITE)] == '\0' ? len : 0;
}

enum access_result plain_basic(struct keys *keys, const char *word, struct access_auth *auth)
{
    unsigned char pair[BASE64_SIZE(PAIR_MAX) / 4 * 3 + 1];
    size_t len = word_length(word);
    enum access_result result = ACCESS_BAD_WORD;
    size_t n;

    if (len == 0 || len > BASE64_SIZE(PAIR_MAX) || base64_decode(word, len, pair, &n) < 0)
        return ACCESS_BAD_WORD;
    pair[n] = '\0';
    if (memchr(pair, '\0', n) == NULL)
        result = judge(keys, (char *)pair, auth);
    OPENSSL_cleanse(pair, sizeof(pair));
    return result;
}

enum access_result plain_bearer(struct keys *keys, const char *word, struct access_auth *auth)
{
    char pair[PAIR_MAX + 1];
    size_t len = word_length(word);
    enum access_result result;

    if (len == 0 || len > PAIR_MAX)
        return ACCESS_BAD_WORD;
    memcpy(pair, word, len);
    pair[len] = '\0';
    result = judge(keys, pair, auth);
    OPENSSL_cleanse(pair, sizeof(pair));
    return result;
}
