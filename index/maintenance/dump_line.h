/* The lines of a dump, each a JSON object:
 *
 *     {"format":"mkv-dump","version":2}
 *     {"key":"/a","size":5,"time":1763740800123,"generation":"019ab7f0d2bb0000","md5":"...",
 *         "volumes":["host:3001 5d41.../sv0A"]}
 *     {"key":{"percent":"/%FF"},"size":5,"time":1763740800123,"unlinked":true,"volumes":[...]}
 *     {"key":"/c",...,"meta":"type=text/plain\u000a","volumes":[...]}
 *     {"orphan":"/b","generation":"019ab7f0d2bb0001","time":1763740801000,"until":1763740860123,
 *         "volumes":[...]}
 *     {"end":true,"keys":1,"unlinked":1,"orphans":1}
 *
 * The first and the last line are there once, the keys come in byte order, and after them the
 * orphans do too, those of a key by generation: blobs that are to be removed, but not before
 * `until`, in ms since 1970. `time` is that of the PUT, likewise, and negative before that: a
 * record has all 64 bits of it, and JSON's integers have a sign. `generation` (not of generation
 * 0), `md5`, `unlinked`, `meta` and `until` stand only where they say something, and so do an
 * orphan's `time`, and a volume's identity, after a space, and its subvolume. `meta` is the
 * metadata (objects/note.h), where it isn't UTF-8 as {"percent":"..."}, as keys are. `keys` counts
 * those that aren't unlinked.
 *
 * Version 1 had no generations, and orphans with a record's fields: it is read still, as are dumps
 * of version 2 whose orphans have no `time`, and no metadata. */
#ifndef MKV_MAINTENANCE_DUMP_LINE_H
#define MKV_MAINTENANCE_DUMP_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "index/base/buf.h"
#include "index/base/key.h"
#include "index/store/store.h"

#define DUMP_LINE_MAX   32768 /* bytes; none that we write is longer */
#define DUMP_VOLUME_MAX 255   /* bytes of a volume's name in the store: "host:port identity" */

enum dump_kind { DUMP_HEADER, DUMP_KEY, DUMP_ORPHAN, DUMP_END };

struct dump_counts {
    uint64_t keys; /* without the unlinked ones */
    uint64_t unlinked;
    uint64_t orphans;
};

struct dump_line {
    enum dump_kind kind;
    struct dump_counts counts; /* DUMP_END */
    struct key key;            /* DUMP_KEY, DUMP_ORPHAN, as all below */
    struct record record;      /* DUMP_KEY; its places' volumes are indexes of `volumes` */
    uint64_t generation;       /* DUMP_ORPHAN */
    struct orphan orphan;      /* likewise, as the record */
    char volumes[ORPHAN_PLACES_MAX][DUMP_VOLUME_MAX + 1]; /* names */
};

/* Reads a line of `len` bytes, DUMP_LINE_MAX at most, without its end. NULL; or what is wrong, to
 * be put after "line 3 ", and *line is undefined. White space and the order of fields are free;
 * others than these are refused. */
const char *dump_line_parse(const char *text, size_t len, struct dump_line *line);

/* The lines of one dump, from its header to its end. All zero at first. */
struct dump_reader {
    struct dump_counts counts; /* of the lines so far */
    bool begun;                /* the header was there */
    bool ended;                /* the last line was there, and counts what was there */
};

/* Reads the next line, as dump_line_parse() does, and counts it. What is wrong may also be that it
 * comes where it shouldn't, or that the last line counts others; nothing may follow then. */
const char *dump_read_line(struct dump_reader *reader, const char *text, size_t len,
                           struct dump_line *line);

/* Each appends a line with its end. 0; -ENOMEM; or -EINVAL for a number or a volume that
 * dump_line_parse() would refuse. `volumes` are the names of the places' volumes, in their order.
 */
int dump_append_header(struct buf *out);
int dump_append_record(struct buf *out, const void *key, size_t len, const struct record *record,
                       const char *const *volumes);
int dump_append_orphan(struct buf *out, const void *key, size_t len, uint64_t generation,
                       const struct orphan *orphan, const char *const *volumes);
int dump_append_end(struct buf *out, const struct dump_counts *counts);

/* Counts a key. */
void dump_count(struct dump_counts *counts, const struct record *record);

#endif
