#include "index/s3/erase.h"

#include "index/objects/change.h"

static void changed_cb(void *arg, int rc)
{
    struct erase *erase = arg;

    if (rc == STORE_CONFLICT)
        rc = erase_start(erase);
    if (rc <= 0)
        erase->done(erase->arg, rc);
}

int erase_start(struct erase *erase)
{
    struct record record;
    int rc = objects_look_up(erase->objects, erase->key, &record);

    if (rc == UV_ENOENT || (rc == 0 && (record.flags & RECORD_UNLINKED)))
        return 0;
    if (rc == 0)
        rc = erase->judge(erase->arg, &record);
    if (rc == 0)
        rc = change_remove(erase->objects, erase->key, &record, changed_cb, erase);
    return rc < 0 ? rc : 1;
}
