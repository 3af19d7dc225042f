/* Makes one file out of ranges of others, a step at a time, in a temporary file that then gets the
 * blob's name. All of this blocks, and is for a worker thread, but for assembly_deinit().
 *
 *     sources checked ──▶ linked, if there is one and it may be ──────────────▶ done
 *                    └──▶ temporary file ──▶ copied ──▶ given its time and name ──┘
 *
 * Nothing here waits for the disk: POST /_mkv/sync does, as after a PUT. */
#ifndef MKV_LAUNCHER_ASSEMBLY_H
#define MKV_LAUNCHER_ASSEMBLY_H

#include <uv.h>

#include "index/base/md5.h"
#include "launcher/volume/assembly_lines.h"
#include "launcher/volume/volume_dir.h"

enum assembly_state {
    ASSEMBLY_CHECKING, /* the source at `at` is next */
    ASSEMBLY_MAKING,   /* the temporary file, or a link, is next */
    ASSEMBLY_COPYING,  /* from the source at `at` */
    ASSEMBLY_PLACING,  /* the name is next */
    ASSEMBLY_DONE
};

/* Embedded, zeroed; the first two are the owner's to set. */
struct assembly {
    const struct volume_dir *dir;       /* borrowed, as the next */
    const struct assembly_lines *lines; /* before the first step */
    enum assembly_state state;
    size_t at;
    size_t n_bad;    /* sources that are missing or differ */
    bool is_open;    /* there is a temporary file, */
    int fd;          /* this one, */
    int tmp;         /* in this directory, */
    char name[32];   /* by this name */
    bool has_source; /* one is open: */
    int source;      /* this */
    uint64_t copied; /* bytes of it, */
    uint64_t size;   /* and of all */
    bool by_hand;    /* the kernel doesn't copy between these files */
    char *slice;     /* for what is read */
    struct md5 md5;
    unsigned char hash[MD5_SIZE]; /* when done, where it is wanted */
};

/* Does the next of many steps. 0, until the state is ASSEMBLY_DONE. Or -errno, and it is over:
 * -ENOENT when the source at `at` is missing and -EMEDIUMTYPE when it has another size; while
 * ASSEMBLY_CHECKING, it may go on with the next one all the same. */
int assembly_step(struct assembly *assembly);

/* Removes what isn't done. Cheap, on the loop: what takes its time is a thread's. */
void assembly_deinit(struct assembly *assembly, uv_loop_t *loop);

#endif
