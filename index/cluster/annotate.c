#include "index/cluster/annotate.h"

#include <stdlib.h>
#include <string.h>

#include "index/base/buf.h"
#include "index/cluster/flush.h"

#define TIME_MAX    5000        /* ms that a request may take */
#define WAITING_MAX (60 * 1024) /* bytes; a volume takes a body of 64 KiB */

struct annotator {
    struct volume *volume;
    struct buf waiting; /* lines */
    struct buf sent;    /* while `running` */
    bool running;
    struct transfer transfer;
    void (*ended)(struct volume *volume);
};

struct annotator *annotator_new(struct volume *volume)
{
    struct annotator *a = calloc(1, sizeof(*a));

    if (a != NULL)
        a->volume = volume;
    return a;
}

void annotator_free(struct annotator *a)
{
    if (a == NULL)
        return;
    buf_deinit(&a->waiting);
    buf_deinit(&a->sent);
    free(a);
}

void annotate(struct volume *volume, const struct place *place, const char *path, const char *note,
              size_t len)
{
    struct buf *waiting = &volume->annotator->waiting;
    char full[PLACEMENT_FULL_PATH_MAX];
    char text[BASE64_SIZE(FLUSH_NOTE_MAX) + 1];

    if (len == 0 || buf_size(waiting) + sizeof(full) + sizeof(text) > WAITING_MAX)
        return;
    placement_full_path(place, path, full);
    text[base64_encode(note, len, text)] = '\0';
    buf_append_format(waiting, "%s\t%s\n", full, text);
}

static void sent_cb(struct transfer *transfer, int rc, int status)
{
    struct annotator *a = transfer->data;

    (void)rc; /* the next probe sees what is wrong with the volume */
    (void)status;
    buf_deinit(&a->sent);
    a->running = false;
    a->ended(a->volume);
}

bool annotator_send(struct annotator *a, struct transfers *transfers,
                    void (*ended)(struct volume *volume))
{
    char url[PLACEMENT_URL_MAX];

    if (a->running || buf_size(&a->waiting) == 0 || buf_append(&a->waiting, "", 1) < 0)
        return false;
    a->sent = a->waiting;
    a->waiting = (struct buf){0};
    a->ended = ended;
    a->transfer.data = a;
    a->transfer.volume = a->volume;
    a->transfer.until = transfers_now(transfers) + TIME_MAX;
    placement_url(a->volume->name, NULL, "/_mkv/attributes", url);
    a->running =
        transfer_post(transfers, &a->transfer, url, buf_bytes(&a->sent), 0, NULL, sent_cb) == 0;
    if (!a->running)
        buf_deinit(&a->sent);
    return a->running;
}
