#include "index/maintenance/dump.h"

#include <string.h>

#include "index/base/log.h"

static int append(struct dump *d, const void *key, size_t len, const struct record *record)
{
    const char *volumes[RECORD_REPLICAS_MAX];
    int rc = 0;

    for (unsigned i = 0; i < record->n_replicas; i++) {
        volumes[i] = store_volume_name(d->store, record->replicas[i].volume);
        if (volumes[i] == NULL)
            rc = UV_EINVAL;
    }
    if (rc == 0)
        rc = dump_append_record(d->out, d->space, key, len, record, volumes);
    if (rc == UV_EINVAL)
        log_error("the key %.*s has a record that can't be dumped", (int)len, (const char *)key);
    return rc;
}

static int key_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct dump *d = arg;
    int rc;

    if (buf_size(d->out) >= d->bytes) {
        d->next.len = len;
        memcpy(d->next.bytes, key, len);
        return 1;
    }
    rc = append(d, key, len, record);
    if (rc == 0)
        dump_count(&d->counts, d->space, record);
    return rc;
}

static int fill(struct dump *d)
{
    int rc = 0;

    if (!d->begun)
        rc = dump_append_header(d->out);
    d->begun = true;
    if (rc == 0)
        rc = store_list(d->store, d->space, "", 0, d->next.bytes, d->next.len, key_cb, d);
    if (rc == 0 && d->space == STORE_KEYS) {
        d->space = STORE_ORPHANS;
        d->next.len = 0;
        rc = store_list(d->store, d->space, "", 0, "", 0, key_cb, d);
    }
    return rc == 0 ? dump_append_end(d->out, &d->counts) : rc;
}

int dump_fill(struct dump *dump, struct buf *out, size_t bytes)
{
    int rc;

    dump->out = out;
    dump->bytes = bytes;
    rc = fill(dump);
    if (rc == UV_ENOMEM)
        log_error("the dump breaks off: out of memory");
    return rc;
}
