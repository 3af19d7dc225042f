/* The keys file: who may use S3 and the native API, with which secret, and what each may do.
 *
 *     # ACCESS SECRET GRANT...
 *     AKbackup 9f3c... rw:pg-backups
 *     AKadmin  ab21... rwc:*
 *     AKlogs   77b0... w:/logs-
 *     -        -       r:site/public/        # anonymous
 *
 * Words stand apart by spaces or tabs; what follows a word that begins with '#' is a comment, but
 * for a secret. Secrets are in no message and no log, and are wiped when the keys are freed. */
#ifndef MKV_ACCESS_KEYS_H
#define MKV_ACCESS_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "index/access/grants.h"

#define KEYS_FILE_MAX   (1024 * 1024) /* bytes of the file */
#define KEYS_ACCESS_MAX 128           /* characters of an access key, at least 3 */
#define KEYS_SECRET_MAX 128           /* characters of a secret, at least 8 */
#define KEYS_WHY_SIZE   512           /* of a message, its NUL included */

struct keys;     /* what the file held at one time; counts who uses it */
struct identity; /* one who has grants: a line of the file, or anonymous */

/* Reads the file. Refuses one that its group or others may use: that is asked of the file that was
 * opened, not of the name. 0 and *keys, which keys_release() frees; or -EPERM (its mode), -EFBIG,
 * -EINVAL (what it says), -ENOMEM, or what opening and reading it failed with. Then `why` is one
 * line that names the file, and the line in it where there is one. Blocks. */
int keys_read(const char *path, struct keys **keys, char why[KEYS_WHY_SIZE]);

/* Whoever keeps an identity beyond the current callback holds its keys: a reload may release the
 * others. Returns `keys`. */
struct keys *keys_hold(struct keys *keys);

/* Ends a hold; NULL is none. The last one wipes and frees. */
void keys_release(struct keys *keys);

/* How many lines have a secret. */
size_t keys_count(const struct keys *keys);

/* Who comes without a signature; without any grant unless the file has a line "- - GRANT...". */
const struct identity *keys_anonymous(const struct keys *keys);

/* Whether `who` may do that to an object; or to all objects below a prefix, as a listing does, when
 * `key` is the prefix; or to the bucket as a whole, when key_len is 0. */
bool access_may(const struct identity *who, enum access_right right, const char *bucket,
                const char *key, size_t key_len);

/* The same by the native API: whether `who` may do that to a key, or to all keys that begin so, as
 * a listing does. `len` bytes, at least 1, from the key's slash on. */
bool access_may_path(const struct identity *who, enum access_right right, const char *path,
                     size_t len);

/* Whether `who` has that right to anything in the bucket. */
bool access_may_somewhere(const struct identity *who, enum access_right right, const char *bucket);

/* Whether `who` has any right to anything in the bucket, and so may know that it is there. */
bool access_may_see(const struct identity *who, const char *bucket);

/* Whether `who` may see how the index is. */
bool access_may_administer(const struct identity *who);

#endif
