/* A blob's line in a listing; list.h has its form. */
#ifndef MKV_LAUNCHER_LIST_LINE_H
#define MKV_LAUNCHER_LIST_LINE_H

#include "index/base/buf.h"

#define LIST_VALUE_MAX 65536 /* bytes of an attribute: Linux stops there, whoever set it */

/* Appends the line of the file `name` in the open directory `directory`, which is at `path`;
 * `value` is room to work in, or NULL: the attribute is left out, and the file isn't opened. 0; or
 * -ENOENT when it is no plain file, -ENOMEM, or another -errno, with `out` as it was. */
int list_line_append(int directory, const char *path, const char *name,
                     unsigned char value[LIST_VALUE_MAX], struct buf *out);

#endif
