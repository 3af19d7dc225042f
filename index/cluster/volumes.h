/* The volumes, and how they are: each is asked every second (GET /_mkv/space), of more than 200
 * volumes 200 a second; and what transfers meet with is taken into account at once. A change of
 * state is logged once.
 *
 *            refused, silent twice, or it says so         full: little space left,
 *     UP ─────────────────────────────▶ DOWN              or a PUT was answered 507
 *      ▲ ◀───────────────────────────── any answer     UP ◀──────────────────────▶ FULL
 *
 * READ_ONLY is what a volume says of itself: what it holds can be read and not changed. One that is
 * up and answers PUTs with 5xx all the same is paused: it comes last for new values for a while,
 * longer each time.
 *
 * A volume is known by its name and by its identity (Mkv-Volume-Id), which lies on its disk. When
 * another disk stands behind a name, what the old one held is not there. */
#ifndef MKV_CLUSTER_VOLUMES_H
#define MKV_CLUSTER_VOLUMES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "index/base/address.h"
#include "index/base/place.h"
#include "index/base/volume_name.h"
#include "index/cluster/placement.h"
#include "index/cluster/sign.h"
#include "index/cluster/transfer.h"

#define VOLUME_BYTES_MAX   (1ULL << 52) /* of a disk: those of all volumes can be added up */
#define VOLUME_REASON_MAX  128
#define VOLUME_ADDRESS_MAX VOLUME_NAME_SIZE /* "https://host:port" and a NUL */
#define VOLUME_ZONE_MAX    64               /* bytes of a name for a zone */
#define VOLUME_WEIGHT      100              /* of one that nothing is said of */
#define VOLUME_WEIGHT_MAX  1000

/* What the user says of a volume. */
struct volume_entry {
    char name[VOLUME_ADDRESS_MAX];
    char zone[VOLUME_ZONE_MAX + 1]; /* "": its host */
    unsigned weight;                /* 1 to VOLUME_WEIGHT_MAX */
};

enum volume_state {
    VOLUME_UNKNOWN, /* not asked yet: counts as down, but nothing is said about it */
    VOLUME_UP,
    VOLUME_FULL,      /* answers, and can't take anything */
    VOLUME_READ_ONLY, /* answers, and can't take or remove anything */
    VOLUME_DOWN
};

struct volumes;

struct volume {
    struct volumes *volumes;
    uint32_t number; /* its position: volumes_at() */
    char name[VOLUME_ADDRESS_MAX];
    char identity[TRANSFER_VOLUME_ID_MAX + 1]; /* as of the last answer; "": it has none */
    char address[ADDRESS_TEXT_MAX];            /* "IP:port", likewise; "" before the first */
    enum volume_state state;
    char reason[VOLUME_REASON_MAX];  /* why it isn't up, or is paused; printable ASCII, or "" */
    bool is_listed;                  /* new keys may go there */
    char zone[ADDRESS_HOST_MAX + 1]; /* what it shares with those that fail together: its host, or
                                        what the list says; letters of either case are the same */
    unsigned weight;                 /* its share of the keys next to that of others */
    uint64_t since;                  /* of the state; ms since 1970, 0 before the first answer */
    uint64_t free_bytes;             /* total_bytes at most; UINT64_MAX: unknown */
    uint64_t total_bytes;            /* VOLUME_BYTES_MAX at most; UINT64_MAX: unknown */
    uint64_t errors;                 /* requests that it failed, since the start */
    unsigned name_max;               /* bytes of the longest name on its disk; 0: unknown */
    uint32_t id;                     /* the caller's: in the store, of this name and identity */
    uint32_t zone_number;            /* the caller's, as the next one */
    bool is_drained;                 /* new keys must not go there, though it is listed */
    struct flusher *flusher;         /* flush.h */
    struct hasher *hasher;           /* hash.h */
    struct assembles *assembles;     /* assemble.h */
    struct annotator *annotator;     /* annotate.h */
    struct signing_key signing_key;  /* of its identity */
    /* The rest is this module's. */
    const char *refusal;                    /* why the last one had no TLS with it, or NULL */
    bool asked;                             /* a probe has ended, or could not begin */
    bool identified;                        /* it has answered, and is taken up */
    char shown[TRANSFER_VOLUME_ID_MAX + 1]; /* the identity that it last answered with, taken up or
                                               not */
    uint64_t moved;        /* loop time at which it answered from another address, or 0 */
    unsigned silent;       /* probes in a row without an answer */
    unsigned pause;        /* ms, the last one; 0 before the first */
    uint64_t paused_until; /* loop time */
    int pause_status;      /* what it answered */
    bool probing;
    struct transfer probe;
    char answer[512];
    size_t answer_len;
    uint64_t probe_at; /* loop time of the next one, 0 for at once */
};

/* Fires when a volume has answered for the first time, or as another one than before: its identity
 * is new. 0, or negative when the caller can't take it up: then it is down, and has the identity
 * that it had before. UV_EEXIST: that is another volume's. UV_EAGAIN: the caller doesn't know yet,
 * and calls volume_ask_again(). */
typedef int (*volume_identified_cb)(struct volume *volume, void *arg);

/* Has a volume asked at once how it is. */
void volume_ask_again(struct volume *volume);

/* 0 and *volumes, or UV_ENOMEM. Probing begins with volumes_start(). */
int volumes_new(uv_loop_t *loop, struct transfers *transfers, volume_identified_cb cb, void *arg,
                struct volumes **volumes);

/* Starts to probe. `settled` fires once, from the loop, when each volume has answered or failed to:
 * some second later at most. It doesn't fire once volumes_stop() was called. */
void volumes_start(struct volumes *volumes, void (*settled)(void *arg), void *arg);

/* Ends the probes, frees all and fires `cb`; never inside this call. */
void volumes_stop(struct volumes *volumes, void (*cb)(void *arg), void *arg);

/* The volumes that are listed from now on, with their zones and weights; new ones are taken up, one
 * that is known by its address with another scheme is asked by that one from now on,
 * others stay known for what they hold. 0, UV_ENOMEM, or UV_E2BIG over VOLUMES_MAX; then nothing
 * has changed. */
int volumes_set(struct volumes *volumes, const struct volume_entry *entries, size_t n);

/* Takes up a volume of this name that isn't listed, unless there is one. 0 and *volume, or UV_E2BIG
 * or UV_ENOMEM. */
int volumes_know(struct volumes *volumes, const char *name, struct volume **volume);

/* All that are known; stays in place until volumes_stop(). */
size_t volumes_count(const struct volumes *volumes);
struct volume *volumes_at(struct volumes *volumes, size_t i);

/* The one with this name, `len` bytes, whatever the scheme of either (volume_names_meet()); NULL if
 * there is none. */
struct volume *volumes_find(const struct volumes *volumes, const char *name, size_t len);

/* What a transfer to the volume ended with, as transfer_done_cb has it. */
void volume_report(struct volume *volume, int rc, int status);

/* The same of a PUT or a sync: after a 5xx the volume is paused. */
void volume_report_store(struct volume *volume, int rc, int status);

/* Writes the ticket with which the volume obeys a request. False, and *ticket is "": it needs none.
 */
bool volume_sign(struct volume *volume, const char *method, const char *path, size_t len,
                 char ticket[TICKET_SIZE]);

#define VOLUME_READ_URL_MAX (PLACEMENT_URL_MAX + TICKET_QUERY_SIZE)

/* Writes the URL of a blob for a client who is sent there to read it, with the ticket in its query
 * if one is needed. */
void volume_read_url(struct volume *volume, const struct place *place, const char *path,
                     const char *method, char url[VOLUME_READ_URL_MAX]);

/* Whether the volume had better not be chosen for a new blob where there is another one. */
bool volume_is_paused(const struct volume *volume);

/* Whether it was the disk that is known to be there which answered the transfer. */
static inline bool volume_has_answered(const struct volume *volume, const struct transfer *transfer)
{
    return strcmp(transfer->volume_id, volume->identity) == 0;
}

/* Whether the volume can remove what it holds, and could take more if there were room. */
static inline bool volume_is_writable(const struct volume *volume)
{
    return volume->state == VOLUME_UP || volume->state == VOLUME_FULL;
}

/* Whether the volume can be asked for what it holds. */
static inline bool volume_is_live(const struct volume *volume)
{
    return volume_is_writable(volume) || volume->state == VOLUME_READ_ONLY;
}

/* Whether its file system has names that are long enough for all components of a blob's path, as
 * far as is known. */
bool volume_can_name(const struct volume *volume, const char *path);

/* Whether a new blob of `size` bytes, -1 for unknown, may go there, by that path. */
bool volume_takes(const struct volume *volume, const char *path, int64_t size);

/* "up", "full", "read-only", "down", "unknown". */
const char *volume_state_name(enum volume_state state);

#endif
