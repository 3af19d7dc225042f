#include "index/cluster/placement.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "index/base/md5.h"

#define COMPONENT_MAX 255 /* bytes; file systems stop there */
#define SCORES        64  /* that are computed at once */

static_assert(ADDRESS_TEXT_MAX <= MD5_SUFFIX_MAX, "a volume's name is hashed behind a key");

/* Copies one component of a name, cut where it is too long with `more` bytes behind it, and returns
 * the bytes written. */
static size_t copy_component(const char *component, size_t len, size_t more, char *out)
{
    size_t n = 0;

    while (len + more > COMPONENT_MAX || len > PLACEMENT_COMPONENT_MAX) {
        size_t piece = len > PLACEMENT_COMPONENT_MAX ? PLACEMENT_COMPONENT_MAX : len - 1;

        memcpy(out + n, component, piece);
        n += piece;
        out[n++] = '.';
        out[n++] = '/';
        component += piece;
        len -= piece;
    }
    memcpy(out + n, component, len);
    return n + len;
}

/* Copies a name component by component, the last one with room for `more` bytes behind it, and
 * returns the bytes written. */
static size_t copy_name(const char *name, size_t more, char *out)
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
        n += copy_component(name, len, name[len] == '\0' ? more : 0, out + n);
        if (name[len] == '\0')
            break;
        if (len > 0)
            out[n++] = '/';
        name += len + 1;
    }
    out[n] = '\0';
    return n;
}

size_t placement_path(const void *key, size_t key_len, uint64_t generation,
                      char path[PLACEMENT_PATH_MAX])
{
    unsigned char base64[(KEY_MAX + 2) / 3 * 4 + 1];
    unsigned char hash[MD5_SIZE];
    size_t n;

    assert(key_len <= KEY_MAX);
    md5_of(key, key_len, hash);
    EVP_EncodeBlock(base64, key, (int)key_len);
    n = (size_t)snprintf(path, PLACEMENT_PATH_MAX, "/%02x/%02x/", hash[0], hash[1]);
    n += copy_name((const char *)base64, generation > 0 ? PLACEMENT_GENERATION : 0, path + n);
    if (generation > 0)
        n += (size_t)snprintf(path + n, PLACEMENT_PATH_MAX - n, ".%016" PRIx64, generation);
    assert(n < PLACEMENT_PATH_MAX);
    return n;
}

void placement_full_path(const struct place *place, const char *path,
                         char full[PLACEMENT_FULL_PATH_MAX])
{
    if (place->has_subvolume)
        snprintf(full, PLACEMENT_FULL_PATH_MAX, "/sv%02X%s", place->subvolume & 0xff, path);
    else
        snprintf(full, PLACEMENT_FULL_PATH_MAX, "%s", path);
}

void placement_url(const char *volume, const struct place *place, const char *path,
                   char url[PLACEMENT_URL_MAX])
{
    char full[PLACEMENT_FULL_PATH_MAX];

    if (place != NULL)
        placement_full_path(place, path, full);
    snprintf(url, PLACEMENT_URL_MAX, "http://%s%s", volume, place != NULL ? full : path);
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
    unsigned char best[PLACES_MAX][MD5_SIZE];
    unsigned char scores[SCORES][MD5_SIZE];
    struct md5 md5;
    size_t held = 0;

    assert(count <= n && count <= PLACES_MAX && subvolumes > 0);
    md5_begin(&md5);
    md5_add(&md5, key, key_len);
    for (size_t i = 0; i < n; i++) {
        const unsigned char *score = scores[i % SCORES];
        size_t at;

        if (i % SCORES == 0)
            md5_finish_each(&md5, volumes + i, n - i < SCORES ? n - i : SCORES, scores);
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
