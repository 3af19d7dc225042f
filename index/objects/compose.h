/* Makes a value out of others that are stored already, or of ranges of them, one after the other:
 * an object's copy, or the parts of an upload. Volumes that have them all make it themselves; where
 * none of those that are to have the value can, its bytes are read, and written anew. */
#ifndef MKV_OBJECTS_COMPOSE_H
#define MKV_OBJECTS_COMPOSE_H

#include "index/objects/write.h"

/* Bytes of a key's value. */
struct compose_source {
    struct key key;
    struct record record; /* of the key, which names the blob */
    uint64_t offset;
    uint64_t length; /* offset + length <= record.size; 0: none of it */
};

struct compose_asked;

/* Gives source `i`, from 0: 0 and *source; a negative UV_E*, with which the compose fails,
 * UV_ENOENT when it isn't there any more; or STORE_LATER, and then compose_answer() follows, from
 * the loop, once *source is filled. Asked for one after the other, perhaps a second time from the
 * first one on, and for the same one once more when none of its copies could be read: the key may
 * have been moved. Must not call this module. */
typedef int (*compose_next_cb)(void *arg, size_t i, struct compose_source *source,
                               struct compose_asked *asked);

/* What `next` would have returned at once. */
void compose_answer(struct compose_asked *asked, int rc);

struct compose_options {
    size_t n_sources;
    compose_next_cb next;
    uint64_t size;            /* the sum of the lengths; may be 0 */
    const unsigned char *md5; /* MD5_SIZE bytes that the value must have, copied; NULL: any. Of what
                                 is one value as a whole, its record's counts */
    bool wants_md5; /* the record is to have the MD5. Else it may have none: a volume would
                       have to read all of the value for it */
    bool replaces;  /* as in struct write_options, as the next */
    making_condition_cb condition; /* asked with `arg`; or NULL */
    const struct key *removes;     /* as in struct write_options */
    const char *meta;              /* of the value, copied; NULL: none */
    size_t meta_len;
    write_done_cb done; /* also UV_EREMOTEIO when a source can't be read, UV_EILSEQ when no copy of
                           it is what it was, and what `next` has failed with */
    void *arg;
};

/* Starts. 0, and `done` fires: once, from the loop, and never inside this call. Or, with `text`, as
 * write_done_cb. It can't be broken off. */
int compose_start(struct objects *objects, const struct key *key,
                  const struct compose_options *options, char text[UPLOAD_TEXT_MAX]);

#endif
