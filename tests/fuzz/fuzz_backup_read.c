/* Any bytes as a backup: as they come, which are hardly ever a gzip, and packed, so that their
 * lines are read. */
#include <stdint.h>
#include <stdlib.h>

#include "index/maintenance/backup_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int line_cb(const struct dump_line *line, void *arg)
{
    (void)arg;
    if (line->kind != DUMP_KEY && line->kind != DUMP_ORPHAN)
        abort();
    return 0;
}

/* In two pieces. */
static void read_all(const void *bytes, size_t size)
{
    struct backup_read read = {.line_cb = line_cb};
    size_t half = size / 2;
    int rc = backup_read_add(&read, bytes, half);

    if (rc == 0)
        rc = backup_read_add(&read, (const char *)bytes + half, size - half);
    if (rc == 0)
        rc = backup_read_end(&read);
    if ((rc == 0) != (read.problem == NULL) || (rc == 0 && !read.reader.ended))
        abort();
    backup_read_deinit(&read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gzip *gzip = gzip_new();
    struct buf packed = {0};

    if (gzip == NULL || gzip_add(gzip, data, size, &packed) < 0 || gzip_end(gzip, &packed) < 0)
        abort();
    gzip_free(gzip);
    read_all(data, size);
    read_all(buf_bytes(&packed), buf_size(&packed));
    buf_deinit(&packed);
    return 0;
}
