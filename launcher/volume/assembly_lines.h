/* The body of POST /_mkv/assemble: which file is to be made, and out of what. Fields have TABs
 * between them, and each line its end:
 *
 *     PATH TAB SIZE TAB TIME TAB WORDS         the file: bytes, and ms since 1970
 *     PATH TAB SIZE TAB OFFSET TAB LENGTH      a source: its own bytes, and which of them
 *     PATH TAB SIZE                            one that is taken whole
 *
 * WORDS are "-" for none, or some of these with commas between them:
 *
 *     link   a single source that is taken whole may be given the name, too, in place of a copy: it
 *            is about to go, and until then has the same time, and the attribute that a sync sets
 *     md5    tell the MD5
 *     sync   it will be synced next: bring its bytes to disk while they come
 *
 * The sources follow in their order; their lengths add up to the file's. */
#ifndef MKV_LAUNCHER_ASSEMBLY_LINES_H
#define MKV_LAUNCHER_ASSEMBLY_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASSEMBLY_SOURCES_MAX 10000 /* parts of an upload: S3's limit */

struct assembly_source {
    const char *path; /* relative, terminated, valid by sync_path_is_valid() */
    uint64_t size;    /* what the file is to have */
    uint64_t offset;
    uint64_t length; /* offset + length <= size */
};

struct assembly_lines {
    const char *path; /* likewise */
    uint64_t size;
    uint64_t time; /* ms since 1970 */
    bool may_link; /* only with one source that is taken whole */
    bool wants_md5;
    bool will_sync;
    struct assembly_source *sources; /* allocated */
    size_t n;                        /* at least 1 */
};

/* Reads the `len` bytes of a body, which it changes, and which the lines borrow. 0, and
 * lines->sources is the caller's to free; -ENOMEM; -EMSGSIZE when there are too many sources; or
 * -EINVAL, with *line, from 1 on: the one that makes no sense, or 0 when the sources don't add up.
 */
int assembly_lines_parse(char *body, size_t len, struct assembly_lines *lines, size_t *line);

#endif
