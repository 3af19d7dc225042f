/* The table key -> record, in GDBM, in one directory that one process holds at a time. The only
 * room that knows GDBM.
 *
 *     DIR/lock         held while the store is open
 *     DIR/index.gdbm   "/key" -> record.h's form; "!volumes" -> the names of volume ids
 *
 * Volumes are kept by id, so that a record stays small whatever their names; an id is never given
 * to another name. Calls are synchronous. A put or delete has reached the page cache when it
 * returns: it survives the end of this process, not yet a power cut. */
#ifndef MKV_STORE_STORE_H
#define MKV_STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "index/store/record.h"

struct store;

/* Opens the store in `directory`, made 0700 when missing. 0 and *store, or a negative UV_E* after
 * one log line that names what is wrong and, where the user can, the mend: UV_EBUSY when another
 * process has it open. */
int store_open(const char *directory, struct store **store);

/* Writes everything to disk, closes, lets go of the lock, and frees. */
void store_close(struct store *store);

/* Looks up a key, which begins with '/'. 0 and *record, UV_ENOENT, or UV_EIO after a log line. */
int store_get(struct store *store, const void *key, size_t len, struct record *record);

/* Puts a record, in place of the key's old one if there is one. 0, or UV_ENOSPC or UV_EIO after a
 * log line. */
int store_put(struct store *store, const void *key, size_t len, const struct record *record);

/* Removes a key. 0, UV_ENOENT, or UV_ENOSPC or UV_EIO after a log line. */
int store_delete(struct store *store, const void *key, size_t len);

/* Calls `cb` once for each key, in no order, until it returns other than 0, and returns that; 0 at
 * the end, or UV_EIO. The key is valid during the call. `cb` must not change the store. */
typedef int (*store_each_cb)(const void *key, size_t len, const struct record *record, void *arg);
int store_each(struct store *store, store_each_cb cb, void *arg);

/* The id of the volume of that name, 1 to 255 bytes, which is given one if it has none. 0 and *id,
 * or UV_ENAMETOOLONG, UV_ENOMEM, or as store_put(). */
int store_volume_id(struct store *store, const char *name, uint32_t *id);

/* The name of a volume id, valid until the store closes, or NULL if there is none. */
const char *store_volume_name(const struct store *store, uint32_t id);

#endif
