#include "index/cluster/annotate.h"

#include <stdlib.h>
#include <string.h>

#include "index/base/base64.h"
#include "index/base/buf.h"
#include "index/cluster/flush.h"

#define TIME_MAX    5000        /* ms that a request may take */
#define BODY_MAX    (60 * 1024) /* bytes; a volume takes 64 KiB */
#define WAITING_MAX (4 * BODY_MAX)

struct annotator {
    struct volume *volume;
    struct transfers *transfers;
    struct buf waiting; /* lines */
    size_t due;         /* bytes of them that are to be sent in this round, */
    char *sent;         /* and those that are; while `running` */
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
    free(a->sent);
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

static void sent_cb(struct transfer *transfer, int rc, int status);

/* The bytes of the first lines, as many as fit into a body. */
static size_t body_size(const struct annotator *a)
{
    const char *bytes = buf_bytes(&a->waiting);
    const char *end;

    if (a->due <= BODY_MAX)
        return a->due;
    end = memrchr(bytes, '\n', BODY_MAX);
    return (size_t)(end - bytes) + 1;
}

/* Sends some of what is due. */
static void send_some(struct annotator *a)
{
    char url[PLACEMENT_URL_MAX];
    size_t n = body_size(a);

    free(a->sent);
    a->sent = strndup(buf_bytes(&a->waiting), n);
    buf_consume(&a->waiting, n);
    if (buf_size(&a->waiting) == 0)
        buf_deinit(&a->waiting);
    a->due -= n;
    a->transfer.data = a;
    a->transfer.volume = a->volume;
    a->transfer.until = transfers_now(a->transfers) + TIME_MAX;
    placement_url(a->volume->name, NULL, "/_mkv/attributes", url);
    a->running = a->sent != NULL &&
                 transfer_post(a->transfers, &a->transfer, url, a->sent, 0, NULL, sent_cb) == 0;
}

static void sent_cb(struct transfer *transfer, int rc, int status)
{
    struct annotator *a = transfer->data;

    (void)rc; /* the next probe sees what is wrong with the volume */
    (void)status;
    a->running = false;
    if (a->due > 0)
        send_some(a);
    if (!a->running)
        a->ended(a->volume);
}

bool annotator_send(struct annotator *a, struct transfers *transfers,
                    void (*ended)(struct volume *volume))
{
    if (a->running || buf_size(&a->waiting) == 0)
        return false;
    a->transfers = transfers;
    a->ended = ended;
    a->due = buf_size(&a->waiting);
    send_some(a);
    return a->running;
}
