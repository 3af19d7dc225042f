/* From a blob's path back to its key. Whatever is read is made into a path again, and refused
 * unless that is the one that was read: so no two paths have the same name, and the hash that
 * begins a path is the key's. */
#include <stdlib.h>
#include <string.h>

#include "index/base/base64.h"
#include "index/base/hex.h"
#include "index/cluster/placement.h"

#define HASH_SIZE   7 /* "/HH/HH/" */
#define BASE64_MAX  BASE64_SIZE(KEY_MAX)
#define EMPTIES_MAX (BASE64_MAX + 1) /* of a key whose base64 is nothing but slashes */

static int upper_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Takes "/svXX" off. */
static void take_subvolume(const char **path, size_t *len, struct placement_name *name)
{
    int high;
    int low;

    name->has_subvolume = false;
    name->subvolume = 0;
    if (*len < 5 || memcmp(*path, "/sv", 3) != 0)
        return;
    high = upper_digit((*path)[3]);
    low = upper_digit((*path)[4]);
    if (high < 0 || low < 0)
        return;
    name->has_subvolume = true;
    name->subvolume = (uint32_t)(high << 4 | low);
    *path += 5;
    *len -= 5;
}

/* Takes ".GGGGGGGGGGGGGGGG" off the end. */
static void take_generation(const char *path, size_t *len, struct placement_name *name)
{
    unsigned char bytes[8];
    char digits[PLACEMENT_GENERATION]; /* and a NUL */
    const char *dot = path + *len - PLACEMENT_GENERATION;

    name->generation = 0;
    if (*len <= HASH_SIZE + PLACEMENT_GENERATION || *dot != '.' || dot[-1] == '/')
        return;
    memcpy(digits, dot + 1, PLACEMENT_GENERATION - 1);
    digits[PLACEMENT_GENERATION - 1] = '\0';
    if (!hex_read(digits, bytes, sizeof(bytes)))
        return;
    for (size_t i = 0; i < sizeof(bytes); i++)
        name->generation = name->generation << 8 | bytes[i];
    *len -= PLACEMENT_GENERATION;
}

/* The number of "-n", or 0. */
static size_t count_empties(const char *component, size_t len)
{
    size_t n = 0;

    if (len < 2 || component[0] != '-')
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (component[i] < '0' || component[i] > '9' || n > EMPTIES_MAX)
            return 0;
        n = 10 * n + (size_t)(component[i] - '0');
    }
    return n <= EMPTIES_MAX ? n : 0;
}

/* Joins components to base64, and returns its length; 0 when it would be too long. */
static size_t join(const char *name, size_t len, char out[BASE64_MAX + 1])
{
    const char *start = name;
    const char *end = name + len;
    bool begins = true; /* a component of the base64, rather than the next piece of one */
    size_t n = 0;

    while (name <= end) {
        const char *slash = memchr(name, '/', (size_t)(end - name));
        size_t size = (size_t)((slash != NULL ? slash : end) - name);
        size_t empties = count_empties(name, size);
        bool cut = size > 0 && name[size - 1] == '.';
        size_t add = empties > 0 ? empties - 1 : size - cut;

        if (n + add > BASE64_MAX)
            return 0;
        if (begins && name != start)
            out[n++] = '/';
        if (empties > 0)
            memset(out + n, '/', add);
        else
            memcpy(out + n, name, add);
        n += add;
        begins = !cut;
        name += size + 1;
    }
    return n <= BASE64_MAX ? n : 0;
}

bool placement_parse(const char *path, size_t len, struct placement_name *name)
{
    char base64[BASE64_MAX + 1];
    char again[PLACEMENT_PATH_MAX];
    unsigned char key[BASE64_MAX / 4 * 3];
    const char *full;
    size_t full_len;
    size_t n;

    take_subvolume(&path, &len, name);
    full = path;
    full_len = len;
    take_generation(path, &len, name);
    if (len <= HASH_SIZE || full_len >= PLACEMENT_PATH_MAX)
        return false;
    n = join(path + HASH_SIZE, len - HASH_SIZE, base64);
    if (n == 0 || base64_decode(base64, n, key, &n) < 0 || n == 0 || n > KEY_MAX)
        return false;
    memcpy(name->key.bytes, key, n);
    name->key.len = n;
    return placement_path(key, n, name->generation, again) == full_len &&
           memcmp(again, full, full_len) == 0;
}
