/* What a value is to be made of, at each volume that has all of it: ranges of blobs, as lines of
 * POST /_mkv/assemble (launcher/volume/assembly_lines.h). They differ from volume to volume by the
 * subvolumes that the blobs are in; where there are none, one text is for all, as it may have 16
 * MiB (10,000 parts of a long key). */
#ifndef MKV_CLUSTER_RECIPE_H
#define MKV_CLUSTER_RECIPE_H

#include <stdbool.h>

#include "index/base/buf.h"
#include "index/cluster/placement.h"
#include "index/cluster/volumes.h"

#define RECIPE_SOURCES_MAX 10000 /* that a volume takes, as the next */
#define RECIPE_BYTES_MAX   (16UL << 20)

/* A copy of a blob. */
struct recipe_copy {
    struct volume *volume;
    struct place place; /* at it */
};

/* A range of a blob. */
struct recipe_source {
    const char *path; /* "/HH/HH/NAME" */
    uint64_t size;    /* of the blob */
    uint64_t offset;
    uint64_t length; /* at least 1; offset + length <= size */
    struct recipe_copy copies[PLACES_MAX];
    unsigned n_copies;
};

/* The body of a request. */
struct recipe_text {
    struct buf body; /* room for the first line, and then the sources' */
    size_t n;        /* sources in it */
    unsigned users;  /* volumes that it is for */
};

/* One of the volumes. */
struct recipe_volume {
    struct volume *volume;
    struct recipe_text *text;
};

/* Embedded; all zero, nothing was added. */
struct recipe {
    uint64_t size;    /* of the value, as far as was added */
    size_t n_sources; /* that were added */
    bool wants_md5;   /* the caller's to set, before it is used: volumes tell the value's MD5 */
    bool may_link;    /* and: it is all of one blob, which may get the path as another name */
    struct recipe_volume volumes[PLACES_MAX];
    unsigned n; /* volumes that have all sources; may come to be 0 */
};

/* What is to become of it at a volume. */
struct recipe_target {
    const struct place *place;
    const char *path; /* "/HH/HH/NAME" */
    uint64_t time;    /* ms since 1970 */
    bool sync;        /* the file will be brought to disk next */
};

/* Adds what comes next. A volume that has no copy of it is out, and so is one that would have to be
 * told of too many or for which memory is short. */
void recipe_add(struct recipe *recipe, const struct recipe_source *source);

/* Bytes of memory, more or less, that it takes. */
size_t recipe_bytes(const struct recipe *recipe);

/* Whether the volume can make the value. */
bool recipe_is_for(const struct recipe *recipe, const struct volume *volume);

/* The body of the request to a volume that can: terminated, and the recipe's until it is asked for
 * the same volume's again. NULL for any other volume. */
const char *recipe_body(struct recipe *recipe, const struct volume *volume,
                        const struct recipe_target *target);

/* Frees what it has; it is as one to which nothing was added. */
void recipe_deinit(struct recipe *recipe);

#endif
