/* Puts the lines of a dump into a table. The lines have to come as a dump has them: header, keys in
 * order, orphans in order, the end with the right counts. */
#ifndef MKV_MAINTENANCE_LOAD_H
#define MKV_MAINTENANCE_LOAD_H

#include "index/maintenance/dump_line.h"
#include "index/store/build.h"

/* Set what is given, and zero the rest. */
struct load {
    struct build *build; /* given, borrowed */
    bool skip_orphans;   /* given: they are checked and counted, and left out */
    struct dump_reader reader;
    struct dump_line line;
};

/* Takes the next line. 0; -EINVAL with *problem, to be put after "line 3 "; or another negative
 * UV_E* after a log line, without one. Nothing may follow a failure. */
int load_line(struct load *load, const char *text, size_t len, const char **problem);

#endif
