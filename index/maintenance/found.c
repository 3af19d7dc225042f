#include "index/maintenance/found.h"

#include <assert.h>
#include <string.h>

#include "index/maintenance/collect.h"

#define HAS_SIZE 1
#define HAS_MD5  2
#define UNLINKED 4
#define HAS_META 8
#define FIXED    (1 + 8 + 1 + 4 + 2 + 8 + 8 + 1) /* what follows each key */

/* Big-endian, so that the bytes are in the order of the numbers. */
static size_t put_ordered(unsigned char *out, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        out[i] = (unsigned char)(value >> 8 * (size - 1 - i));
    return size;
}

static uint64_t get_ordered(const unsigned char **at, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value = value << 8 | *(*at)++;
    return value;
}

bool found_of_file(const struct collected *file, struct found *found)
{
    const struct placement_name *name = file->name;
    const struct key *key = &name->key;

    if (key->len < 2 || key->bytes[0] != '/' || memchr(key->bytes, '\0', key->len) != NULL)
        return false;
    *found = (struct found){
        .key.len = key->len,
        .generation = name->generation,
        .kind = FOUND_FILE,
        .place = {.has_subvolume = name->has_subvolume, .subvolume = name->subvolume},
        .size = file->size,
        .time = file->time,
    };
    memcpy(found->key.bytes, key->bytes, key->len);
    return true;
}

size_t found_encode(const struct found *found, unsigned char out[FOUND_MAX])
{
    const struct place *place = &found->place;
    const struct note *note = &found->note;
    size_t n = found->key.len;

    assert(memchr(found->key.bytes, '\0', n) == NULL);
    memcpy(out, found->key.bytes, n);
    out[n++] = '\0';
    n += put_ordered(out + n, ~found->generation, 8);
    out[n++] = (unsigned char)found->kind;
    n += put_ordered(out + n, place->volume, 4);
    n += put_ordered(out + n, place->has_subvolume ? 1 + place->subvolume : 0, 2);
    n += put_ordered(out + n, found->size, 8);
    n += put_ordered(out + n, found->time, 8);
    out[n++] = (note->has_size ? HAS_SIZE : 0) | (note->has_md5 ? HAS_MD5 : 0) |
               (found->is_unlinked ? UNLINKED : 0) | (note->meta_len > 0 ? HAS_META : 0);
    if (note->has_size)
        n += put_ordered(out + n, note->size, 8);
    if (note->has_md5)
        memcpy(out + n, note->md5, MD5_SIZE);
    n += note->has_md5 ? MD5_SIZE : 0;
    if (note->meta_len > 0)
        memcpy(out + n, note->meta, note->meta_len);
    return n + note->meta_len;
}

static size_t notes_size(unsigned flags)
{
    return (flags & HAS_SIZE ? 8 : 0) + (flags & HAS_MD5 ? MD5_SIZE : 0);
}

/* Whether so many bytes after the fixed ones are what the flags say. */
static bool has_notes(unsigned flags, size_t n)
{
    size_t size = notes_size(flags);

    return flags & HAS_META ? n > size && n - size <= RECORD_META_MAX : n == size;
}

static void get_note(const unsigned char *at, const unsigned char *end, unsigned flags,
                     struct note *note)
{
    note->has_size = flags & HAS_SIZE;
    note->has_md5 = flags & HAS_MD5;
    if (note->has_size)
        note->size = get_ordered(&at, 8);
    if (note->has_md5) {
        memcpy(note->md5, at, MD5_SIZE);
        at += MD5_SIZE;
    }
    note->meta = (const char *)at;
    note->meta_len = (size_t)(end - at);
}

bool found_decode(const unsigned char *bytes, size_t n, struct found *found)
{
    const unsigned char *end = bytes + n;
    const unsigned char *at = memchr(bytes, '\0', n);
    unsigned subvolume;
    unsigned flags;
    size_t left;

    if (at == NULL || at == bytes || at - bytes > KEY_MAX)
        return false;
    left = n - (size_t)(at - bytes);
    if (left < FIXED || !has_notes(at[FIXED - 1], left - FIXED))
        return false;
    *found = (struct found){.key.len = (size_t)(at++ - bytes)};
    memcpy(found->key.bytes, bytes, found->key.len);
    found->generation = ~get_ordered(&at, 8);
    found->kind = *at++;
    found->place.volume = (uint32_t)get_ordered(&at, 4);
    subvolume = (unsigned)get_ordered(&at, 2);
    found->place.has_subvolume = subvolume > 0;
    found->place.subvolume = subvolume > 0 ? subvolume - 1 : 0;
    found->size = get_ordered(&at, 8);
    found->time = get_ordered(&at, 8);
    flags = *at++;
    found->is_unlinked = flags & UNLINKED;
    get_note(at, end, flags, &found->note);
    return found->kind <= FOUND_FILE;
}
