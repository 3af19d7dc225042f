#include "index/access/secret.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "index/base/hex.h"
#include "index/base/private_file.h"

#define FILE_MAX 4096

/* The purposes that a secret's line is hashed for. */
#define PURPOSE_KEY "mkv secret 1 key"
#define PURPOSE_ID  "mkv secret 1 id"

static const char *check_line(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (line[i] <= ' ' || line[i] > '~')
            return "a secret is of printable ASCII characters, without spaces";
    }
    if (len < SECRET_MIN)
        return "a secret has 32 characters at least: mkv secret prints one";
    return len > SECRET_MAX ? "a secret has 512 characters at most" : NULL;
}

static void derive(const char *line, size_t len, struct secret *secret)
{
    unsigned char id[SHA256_SIZE];

    sha256_hmac(line, len, PURPOSE_KEY, strlen(PURPOSE_KEY), secret->key);
    sha256_hmac(line, len, PURPOSE_ID, strlen(PURPOSE_ID), id);
    hex_write(id, (SECRET_ID_SIZE - 1) / 2, secret->id);
}

static const char *take_line(const char *line, size_t len, struct secrets *secrets)
{
    struct secret *secret = &secrets->items[secrets->n];
    const char *wrong;

    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (len == 0 || *line == '#')
        return NULL;
    if (secrets->n == SECRETS_MAX)
        return "there are two secrets already";
    wrong = check_line(line, len);
    if (wrong != NULL)
        return wrong;
    derive(line, len, secret);
    if (secrets->n > 0 && strcmp(secret->id, secrets->items[0].id) == 0)
        return "it is the same secret again";
    secrets->n++;
    return NULL;
}

int secrets_parse(const char *text, size_t len, const char *name, struct secrets *secrets,
                  char why[SECRET_WHY_SIZE])
{
    struct secrets read = {.n = 0};
    const char *wrong = NULL;
    unsigned line = 0;
    size_t n;
    int rc;

    for (size_t at = 0; at < len && wrong == NULL; at += n + 1) {
        const char *end = memchr(text + at, '\n', len - at);

        n = end != NULL ? (size_t)(end - text) - at : len - at;
        line++;
        wrong = take_line(text + at, n, &read);
    }
    if (wrong != NULL)
        snprintf(why, SECRET_WHY_SIZE, "%s:%u: %s", name, line, wrong);
    else if (read.n == 0)
        snprintf(why, SECRET_WHY_SIZE, "%s: there is no secret in it: mkv secret prints one", name);
    else
        *secrets = read;
    rc = wrong == NULL && read.n > 0 ? 0 : -EINVAL;
    secrets_deinit(&read);
    return rc;
}

int secrets_read(const char *path, struct secrets *secrets, char why[SECRET_WHY_SIZE])
{
    struct buf text = {0};
    int rc = private_file_read(path, FILE_MAX, &text, why, SECRET_WHY_SIZE);

    if (rc < 0)
        return rc;
    rc = secrets_parse(buf_bytes(&text), buf_size(&text), path, secrets, why);
    private_file_wipe(&text);
    return rc;
}

void secrets_deinit(struct secrets *secrets)
{
    OPENSSL_cleanse(secrets, sizeof(*secrets));
}

int secret_invent(char text[SECRET_TEXT_SIZE])
{
    unsigned char bytes[SHA256_SIZE];

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return -EIO;
    text[base64url_encode(bytes, sizeof(bytes), text)] = '\0';
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return 0;
}
