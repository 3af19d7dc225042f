#include "index/cluster/placement.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"

#define MD5_SIZE   16
#define SPARE_SIZE 16384

/* libcrypto looks an algorithm up by locks and names unless it is kept. */
static EVP_MD *md5_algorithm;

/* A hash takes some hundred bytes of memory, and nobody who asks for a place can do without. When
 * there is no more, they come from here. */
static void *spare;

int placement_init(void)
{
    if (md5_algorithm == NULL)
        md5_algorithm = EVP_MD_fetch(NULL, "MD5", NULL);
    if (spare == NULL)
        spare = malloc(SPARE_SIZE);
    if (md5_algorithm != NULL && spare != NULL)
        return 0;
    /* One in FIPS mode has none. */
    log_error("mkv can't place keys: %s",
              md5_algorithm == NULL ? "libcrypto has no MD5" : "out of memory");
    return md5_algorithm == NULL ? -ENOTSUP : -ENOMEM;
}

static bool try_md5(const void *bytes, size_t len, unsigned char out[MD5_SIZE])
{
    return EVP_Digest(bytes, len, out, NULL, md5_algorithm, NULL) == 1;
}

static void md5(const void *a, size_t a_len, const void *b, size_t b_len,
                unsigned char out[MD5_SIZE])
{
    unsigned char joined[KEY_MAX + 512];

    assert(a_len + b_len <= sizeof(joined));
    memcpy(joined, a, a_len);
    if (b_len > 0)
        memcpy(joined + a_len, b, b_len);
    if (try_md5(joined, a_len + b_len, out))
        return;
    free(spare);
    if (!try_md5(joined, a_len + b_len, out)) {
        log_error("out of memory while placing a key");
        abort(); /* to go on would lose keys */
    }
    spare = malloc(SPARE_SIZE);
}

/* Copies one component of a name, cut where it is too long, and returns the bytes written. */
static size_t copy_component(const char *component, size_t len, char *out)
{
    size_t n = 0;

    while (len > PLACEMENT_COMPONENT_MAX) {
        memcpy(out + n, component, PLACEMENT_COMPONENT_MAX);
        n += PLACEMENT_COMPONENT_MAX;
        out[n++] = '.';
        out[n++] = '/';
        component += PLACEMENT_COMPONENT_MAX;
        len -= PLACEMENT_COMPONENT_MAX;
    }
    memcpy(out + n, component, len);
    return n + len;
}

/* Copies a name component by component, and returns the bytes written. */
static size_t copy_name(const char *name, char *out)
{
    unsigned empty = 0;
    size_t n = 0;

    for (;;) {
        size_t len = strcspn(name, "/");

        empty += len == 0;
        if (empty > 0 && (len > 0 || name[len] == '\0')) {
            n += (size_t)sprintf(out + n, "-%u%s", empty, len > 0 ? "/" : "");
            empty = 0;
        }
        n += copy_component(name, len, out + n);
        if (name[len] == '\0')
            break;
        if (len > 0)
            out[n++] = '/';
        name += len + 1;
    }
    out[n] = '\0';
    return n;
}

size_t placement_path(const void *key, size_t key_len, char path[PLACEMENT_PATH_MAX])
{
    unsigned char base64[(KEY_MAX + 2) / 3 * 4 + 1];
    unsigned char hash[MD5_SIZE];
    size_t n;

    assert(key_len <= KEY_MAX);
    md5(key, key_len, NULL, 0, hash);
    EVP_EncodeBlock(base64, key, (int)key_len);
    n = (size_t)snprintf(path, PLACEMENT_PATH_MAX, "/%02x/%02x/", hash[0], hash[1]);
    n += copy_name((const char *)base64, path + n);
    assert(n < PLACEMENT_PATH_MAX);
    return n;
}

static uint32_t subvolume_of(const unsigned char score[MD5_SIZE], unsigned subvolumes)
{
    uint32_t last = (uint32_t)score[12] << 24 | (uint32_t)score[13] << 16 |
                    (uint32_t)score[14] << 8 | (uint32_t)score[15];

    return last % subvolumes;
}

void placement_choose(const void *key, size_t key_len, const char *const *volumes, size_t n,
                      unsigned subvolumes, size_t count, struct placement *out)
{
    unsigned char best[PLACEMENT_CHOOSE_MAX][MD5_SIZE];
    unsigned char score[MD5_SIZE];
    size_t held = 0;

    assert(count <= n && count <= PLACEMENT_CHOOSE_MAX && subvolumes > 0);
    for (size_t i = 0; i < n; i++) {
        size_t at;

        md5(key, key_len, volumes[i], strlen(volumes[i]), score);
        /* Insert behind those that are as good: equal scores keep the order of the names. */
        for (at = held; at > 0 && memcmp(score, best[at - 1], MD5_SIZE) > 0; at--)
            ;
        if (at == count)
            continue;
        if (held < count)
            held++;
        memmove(&best[at + 1], &best[at], (held - at - 1) * MD5_SIZE);
        memmove(&out[at + 1], &out[at], (held - at - 1) * sizeof(*out));
        memcpy(best[at], score, MD5_SIZE);
        out[at] =
            (struct placement){.volume = (uint32_t)i, .subvolume = subvolume_of(score, subvolumes)};
    }
}
