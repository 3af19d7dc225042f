/* What the body of a request to a volume names: one blob's path a line, and after a TAB the base64
 * of its attribute, where the request takes those. The last line may lack its end. */
#ifndef MKV_LAUNCHER_BLOB_LINES_H
#define MKV_LAUNCHER_BLOB_LINES_H

#include "launcher/volume/attribute.h"

enum blob_lines_form {
    BLOB_LINES_PATHS,    /* no attributes */
    BLOB_LINES_MAY_HAVE, /* each may have one */
    BLOB_LINES_MUST_HAVE /* each has one */
};

struct blob_lines {
    char *paths; /* relative, each with a NUL after it, valid by sync_path_is_valid(); allocated */
    size_t n;    /* at least 1 */
    struct attribute *attributes; /* of each, in the allocation of `paths`; NULL when no line has
                                     one */
};

/* Makes the body's `len` bytes lines, whose `paths` is the caller's to free. 0; or -ENOMEM; -EINVAL
 * where a line is no blob's path, or -EBADMSG where its attribute is missing, unwanted, no base64
 * or over ATTRIBUTE_MAX bytes. On failure lines->n is the number of good lines before, and `paths`
 * NULL. */
int blob_lines_parse(const char *body, size_t len, enum blob_lines_form form,
                     struct blob_lines *lines);

#endif
