#include "index/s3/mark.h"

static void drained_cb(void *arg)
{
    (void)arg;
}

int mark_write(struct objects *objects, const struct key *key, const struct mark_options *options)
{
    const struct write_options write_options = {
        .size = 0,
        .needs_md5 = true,
        .allows_empty = true,
        .drained = drained_cb,
        .done = options->done,
        .arg = options->arg,
    };
    const struct meta *meta = options->meta;
    struct write *write;
    char text[UPLOAD_TEXT_MAX];
    int rc = write_start(objects, key, &write_options, &write, text);

    if (rc == 0)
        rc = write_end_with(write, meta != NULL ? meta->bytes : NULL, meta != NULL ? meta->len : 0,
                            text);
    return rc;
}
