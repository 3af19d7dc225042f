/* A probe, happy path: one timer finds the volumes whose turn it is; GET /_mkv/space is answered
 * with what the volume says of itself and what is left on its disk. A volume that is no mkv's (a
 * plain nginx answers 404) is up, and what is left on it unknown.
 *
 * Failures: a volume that refuses connections is down at once; one that is silent is asked again,
 * since it may only be busy, and is down when that fails, too. */
#include "index/cluster/volumes.h"

#include <assert.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/clock.h"
#include "index/base/log.h"
#include "index/cluster/annotate.h"
#include "index/cluster/assemble.h"
#include "index/cluster/flush.h"
#include "index/cluster/hash.h"
#include "index/cluster/placement.h"

#define PROBE_INTERVAL 1000         /* ms from the end of one probe to the next, at least */
#define PROBE_RATE     200          /* probes a second of all volumes, at most */
#define PROBE_TIMEOUT  1000         /* ms that a probe may take */
#define TICK           50           /* ms between looks for volumes whose turn it is */
#define SILENT_MAX     2            /* probes without an answer, then it is down */
#define FULL_SHARE     100          /* of the disk: less than a hundredth left ... */
#define FULL_MAX       (1ULL << 30) /* ... or than this is full */
#define PAUSE_MIN      1000         /* ms without new values after a 5xx */
#define PAUSE_MAX      60000        /* ms; it doubles until then, and starts anew after so long */

struct volumes {
    uv_loop_t *loop;
    struct transfers *transfers;
    volume_identified_cb cb;
    void *arg;
    struct volume *list[VOLUMES_MAX];
    size_t count;
    uv_timer_t timer;
    unsigned n_probes; /* that run */
    bool stopping;
    void (*settled_cb)(void *arg); /* NULL once it has fired */
    void *settled_arg;
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

static void volume_free(struct volume *volume)
{
    flusher_free(volume->flusher);
    hasher_free(volume->hasher);
    assembles_free(volume->assembles);
    annotator_free(volume->annotator);
    ticket_key_deinit(&volume->signing_key.key);
    free(volume);
}

static void drop_last(struct volumes *v)
{
    volume_free(v->list[--v->count]);
}

static void free_volumes(struct volumes *v)
{
    while (v->count > 0)
        drop_last(v);
    free(v);
}

/* --- States ---------------------------------------------------------------------------------- */

const char *volume_state_name(enum volume_state state)
{
    static const char *const names[] = {
        [VOLUME_UNKNOWN] = "unknown",     [VOLUME_UP] = "up",     [VOLUME_FULL] = "full",
        [VOLUME_READ_ONLY] = "read-only", [VOLUME_DOWN] = "down",
    };

    return names[state];
}

static void set_state(struct volume *volume, enum volume_state state, const char *reason)
{
    bool first = volume->state == VOLUME_UNKNOWN;

    snprintf(volume->reason, sizeof(volume->reason), "%s", reason);
    if (volume->state == state)
        return;
    volume->state = state;
    volume->since = clock_now_ms();
    if (state != VOLUME_UP)
        log_limited(LOG_LEVEL_WARN, "volume %s is %s: %s", volume->name, volume_state_name(state),
                    reason);
    else if (!first)
        log_limited(LOG_LEVEL_INFO, "volume %s is up again", volume->name);
}

static void set_down(struct volume *volume, int rc)
{
    switch (rc) {
    case UV_ECONNREFUSED:
        set_state(volume, VOLUME_DOWN,
                  volume->refusal != NULL ? volume->refusal : "it can't be reached");
        break;
    case UV_ETIMEDOUT:
        set_state(volume, VOLUME_DOWN, "it doesn't answer");
        break;
    default:
        set_state(volume, VOLUME_DOWN, "it breaks connections off");
    }
}

static bool is_full(const struct volume *volume)
{
    uint64_t reserve = volume->total_bytes / FULL_SHARE;

    if (volume->free_bytes == UINT64_MAX)
        return false;
    return volume->free_bytes <= (reserve < FULL_MAX ? reserve : FULL_MAX);
}

bool volume_can_name(const struct volume *volume, const char *path)
{
    size_t longest = 0;

    while (*path != '\0') {
        size_t n = strcspn(path, "/");

        longest = n > longest ? n : longest;
        path += path[n] == '/' ? n + 1 : n;
    }
    return volume->name_max == 0 || longest <= volume->name_max;
}

bool volume_takes(const struct volume *volume, const char *path, int64_t size)
{
    if (volume->state != VOLUME_UP || !volume->is_listed || !volume_can_name(volume, path))
        return false;
    return size < 0 || volume->free_bytes == UINT64_MAX || (uint64_t)size < volume->free_bytes;
}

/* --- Probes ---------------------------------------------------------------------------------- */

static void timer_closed_cb(uv_handle_t *handle)
{
    struct volumes *v = handle->data;
    void (*cb)(void *) = v->stop_cb;
    void *arg = v->stop_arg;

    free_volumes(v);
    cb(arg);
}

static void close_if_idle(struct volumes *v)
{
    if (v->stopping && v->n_probes == 0 && !uv_is_closing((uv_handle_t *)&v->timer))
        uv_close((uv_handle_t *)&v->timer, timer_closed_cb);
}

static_assert(VOLUME_BYTES_MAX <= INT64_MAX / VOLUMES_MAX, "sums of all volumes");

static void read_numbers(struct volume *volume, const json_t *root)
{
    uint64_t total = (uint64_t)json_integer_value(json_object_get(root, "total"));
    const json_t *free_bytes = json_object_get(root, "free");
    uint64_t left = (uint64_t)json_integer_value(free_bytes);
    json_int_t names = json_integer_value(json_object_get(root, "names"));

    volume->name_max = names > 0 && names < NAME_MAX ? (unsigned)names : 0;
    volume->total_bytes = volume->free_bytes = UINT64_MAX;
    if (total == 0 || total > INT64_MAX || !json_is_integer(free_bytes) || left > INT64_MAX)
        return;
    volume->total_bytes = total < VOLUME_BYTES_MAX ? total : VOLUME_BYTES_MAX;
    volume->free_bytes = left < volume->total_bytes ? left : volume->total_bytes;
}

/* Others wrote it: what could drive a terminal stays out. */
static void copy_printable(char reason[VOLUME_REASON_MAX], const char *text)
{
    size_t n = 0;

    for (; text[n] != '\0' && n + 1 < VOLUME_REASON_MAX; n++)
        reason[n] = (char)(text[n] >= 0x20 && text[n] < 0x7f ? text[n] : '?');
    reason[n] = '\0';
}

/* {"total":N,"free":N,"names":N,"state":S,"reason":R}; what is missing or odd says nothing. Returns
 * what the volume takes itself for: UP, READ_ONLY or DOWN. */
static enum volume_state read_answer(struct volume *volume, char reason[VOLUME_REASON_MAX])
{
    json_t *root = json_loadb(volume->answer, volume->answer_len, 0, NULL);
    const char *state = json_string_value(json_object_get(root, "state"));
    const char *text = json_string_value(json_object_get(root, "reason"));
    enum volume_state says = VOLUME_UP;

    read_numbers(volume, root);
    if (state != NULL && strcmp(state, "read-only") == 0)
        says = VOLUME_READ_ONLY;
    else if (state != NULL && strcmp(state, "down") == 0)
        says = VOLUME_DOWN;
    copy_printable(reason, text != NULL && text[0] != '\0' ? text : "it says so");
    json_decref(root);
    return says;
}

/* Two names for one disk: a value with two copies there would have one. */
static struct volume *find_twin(const struct volume *volume, const char *identity)
{
    const struct volumes *v = volume->volumes;

    for (size_t i = 0; i < v->count && *identity != '\0'; i++) {
        if (v->list[i] != volume && volume_is_live(v->list[i]) &&
            strcmp(v->list[i]->identity, identity) == 0)
            return v->list[i];
    }
    return NULL;
}

static void restore_identity(struct volume *volume, const char *before)
{
    memmove(volume->identity, before, strlen(before) + 1);
    volume->signing_key.version = 0;
}

/* One that was never up counts as not asked yet: whoever waits for that waits a little longer. */
static void put_off_identity(struct volume *volume, const char *before)
{
    restore_identity(volume, before);
    if (volume->state == VOLUME_UNKNOWN)
        volume->asked = false;
    else
        set_state(volume, VOLUME_DOWN, "the index is taking it up");
}

/* Nothing may be signed for it by the identity that it shows. */
static void refuse_identity(struct volume *volume, const char *before, int rc)
{
    char reason[VOLUME_REASON_MAX];

    if (rc == UV_EEXIST)
        snprintf(reason, sizeof(reason), "it shows the disk of another volume that is listed");
    else
        snprintf(reason, sizeof(reason), "the index can't take it up: %s", uv_strerror(rc));
    restore_identity(volume, before);
    set_state(volume, VOLUME_DOWN, reason);
}

/* Another identity: what the caller knows of the volume is not on this disk. */
static int identify(struct volume *volume, const char *identity)
{
    struct volume *twin = find_twin(volume, identity);
    bool known = volume->identified;
    char before[sizeof(volume->identity)];
    char reason[VOLUME_REASON_MAX];
    int rc;

    strcpy(volume->shown, identity);
    if (twin != NULL && volume->is_listed && !twin->is_listed) {
        set_state(twin, VOLUME_DOWN, "it is listed by another name");
        twin = NULL;
    }
    if (twin != NULL) {
        snprintf(reason, sizeof(reason), "it is volume %.80s by another name", twin->name);
        set_state(volume, VOLUME_DOWN, reason);
        return UV_EEXIST;
    }
    if (known && strcmp(volume->identity, identity) == 0)
        return 0;
    if (known)
        log_limited(LOG_LEVEL_WARN, "volume %s has another disk: %s was there, and now %s is",
                    volume->name,
                    volume->identity[0] != '\0' ? volume->identity : "one without identity",
                    identity[0] != '\0' ? identity : "one without identity");
    strcpy(before, volume->identity);
    strcpy(volume->identity, identity);
    volume->signing_key.version = 0;
    rc = volume->volumes->cb(volume, volume->volumes->arg);
    volume->identified = rc == 0; /* else it is asked again */
    if (rc == UV_EAGAIN)
        put_off_identity(volume, before);
    else if (rc < 0)
        refuse_identity(volume, before, rc);
    return rc;
}

/* Connections from before may lead to a host that is no longer the volume's. */
static void note_address(struct volume *volume)
{
    const char *address = volume->probe.address;

    if (strcmp(volume->address, address) == 0)
        return;
    if (volume->address[0] != '\0') {
        volume->moved = uv_now(volume->volumes->loop);
        log_info("volume %s is at %s now", volume->name, address);
    }
    strcpy(volume->address, address);
}

/* It answers, and says that it can be written. */
static void set_writable(struct volume *volume)
{
    uint64_t now = uv_now(volume->volumes->loop);
    char reason[VOLUME_REASON_MAX];

    if (is_full(volume)) {
        snprintf(reason, sizeof(reason), "%llu bytes are left",
                 (unsigned long long)volume->free_bytes);
        set_state(volume, VOLUME_FULL, reason);
    } else if (volume_is_paused(volume)) {
        snprintf(reason, sizeof(reason),
                 "it answered %d to a PUT or a sync, and comes last for %u s", volume->pause_status,
                 (unsigned)((volume->paused_until - now + 999) / 1000));
        set_state(volume, VOLUME_UP, reason);
    } else {
        set_state(volume, VOLUME_UP, "");
    }
}

/* It wants a ticket. The first one is made before anybody knows for whom; then the answer has the
 * identity that the next one needs. */
static void refused(struct volume *volume, int status)
{
    const struct signer *signer = transfers_signer(volume->volumes->transfers);
    bool was_known = volume->identified;
    bool is_same = was_known && strcmp(volume->identity, volume->probe.volume_id) == 0;

    if (status != 403) {
        set_state(volume, VOLUME_DOWN, "it wants a password");
    } else if (signer->version == 0) {
        set_state(volume, VOLUME_DOWN, "it obeys only who has its secret (--secret-file)");
    } else if (is_same) {
        set_state(volume, VOLUME_DOWN,
                  "it refuses our tickets: another --secret-file, or clocks that differ");
    } else if (identify(volume, volume->probe.volume_id) == 0 && !was_known) {
        volume->asked = false;
        volume->probe_at = 0;
    }
}

static void answered(struct volume *volume, int status)
{
    enum volume_state says = VOLUME_UP;
    char reason[VOLUME_REASON_MAX];

    volume->silent = 0;
    note_address(volume);
    if (status >= 500) {
        snprintf(reason, sizeof(reason), "it answers %d", status);
        set_state(volume, VOLUME_DOWN, reason);
        return;
    }
    if (status == 401 || status == 403) {
        refused(volume, status);
        return;
    }
    if (status == 400) { /* nginx says so of what isn't TLS, and of a certificate that it refuses */
        set_state(volume, VOLUME_DOWN,
                  volume_name_has_tls(volume->name)
                      ? "it demands another certificate of this index (--tls-cert)"
                      : "it may speak TLS alone: name it https://HOST:PORT");
        return;
    }
    if (identify(volume, volume->probe.volume_id) < 0)
        return;
    if (status == 200)
        says = read_answer(volume, reason);
    if (says == VOLUME_UP)
        set_writable(volume);
    else
        set_state(volume, says, reason);
}

/* When a volume is to be asked that has just been. */
static uint64_t next_probe(const struct volumes *v)
{
    uint64_t all = v->count * 1000 / PROBE_RATE;

    return uv_now(v->loop) + (all > PROBE_INTERVAL ? all : PROBE_INTERVAL);
}

static void probe_done_cb(struct transfer *transfer, int rc, int status)
{
    struct volume *volume = transfer->data;
    struct volumes *v = volume->volumes;

    volume->probing = false;
    volume->asked = true;
    v->n_probes--;
    if (volume->probe_at != 0) /* else somebody has asked for another one */
        volume->probe_at = next_probe(v);
    if (!transfer_failed_here(rc))
        volume->refusal = transfer->refusal;
    if (v->stopping)
        rc = UV_ECANCELED; /* whatever it was: the caller is about to go */
    if (rc == 0)
        answered(volume, status);
    else if (rc == UV_ETIMEDOUT && ++volume->silent < SILENT_MAX)
        volume->probe_at = uv_now(v->loop);
    else if (!transfer_failed_here(rc))
        set_down(volume, rc);
    close_if_idle(v);
}

static void annotated_cb(struct volume *volume)
{
    struct volumes *v = volume->volumes;

    v->n_probes--;
    close_if_idle(v);
}

static bool answer_cb(struct transfer *transfer, const char *bytes, size_t n)
{
    struct volume *volume = transfer->data;
    size_t room = sizeof(volume->answer) - volume->answer_len;

    if (n > room)
        n = room;
    memcpy(volume->answer + volume->answer_len, bytes, n);
    volume->answer_len += n;
    return true;
}

static void probe(struct volume *volume)
{
    struct volumes *v = volume->volumes;
    char url[PLACEMENT_URL_MAX];

    placement_url(volume->name, NULL, "/_mkv/space", url);
    volume->answer_len = 0;
    v->n_probes += annotator_send(volume->annotator, v->transfers, annotated_cb);
    volume->probe.data = volume;
    volume->probe.identity = volume->identity;
    volume->probe.anew = volume->state == VOLUME_DOWN || volume->silent > 0;
    volume->probe_at = next_probe(v);
    if (transfer_get(v->transfers, &volume->probe, url, PROBE_TIMEOUT, answer_cb, probe_done_cb) <
        0) {
        volume->asked = true;
        return;
    }
    volume->probing = true;
    v->n_probes++;
}

static void settle(struct volumes *v)
{
    void (*cb)(void *) = v->settled_cb;

    for (size_t i = 0; i < v->count; i++) {
        if (!v->list[i]->asked)
            return;
    }
    v->settled_cb = NULL;
    cb(v->settled_arg);
}

static void tick_cb(uv_timer_t *timer)
{
    struct volumes *v = timer->data;

    for (size_t i = 0; i < v->count; i++) {
        if (!v->list[i]->probing && uv_now(v->loop) >= v->list[i]->probe_at)
            probe(v->list[i]);
    }
    if (v->settled_cb != NULL)
        settle(v);
}

void volume_report(struct volume *volume, int rc, int status)
{
    if (rc == UV_ECONNREFUSED)
        set_down(volume, rc);
    else if (rc == 0 && status == 507)
        set_state(volume, VOLUME_FULL, "it says so");
    else if (rc == 0 && status < 500 && status != 403)
        return;
    /* Ask it, soon: an nginx whose disk is full answers 500. */
    if (transfer_failed_here(rc))
        return;
    volume->errors++;
    volume->probe_at = 0;
}

bool volume_sign(struct volume *volume, const char *method, const char *path, size_t len,
                 char ticket[TICKET_SIZE])
{
    return sign(transfers_signer(volume->volumes->transfers), &volume->signing_key,
                volume->identity, method, path, len, ticket);
}

void volume_read_url(struct volume *volume, const struct place *place, const char *path,
                     const char *method, char url[VOLUME_READ_URL_MAX])
{
    static const char query[] = "?" TICKET_PARAMETER "=";
    char ticket[TICKET_SIZE];
    const char *signed_path;
    size_t n;

    placement_url(volume->name, place, path, url);
    signed_path = strchr(strstr(url, "://") + 3, '/');
    n = strlen(url);
    if (!volume_sign(volume, method, signed_path, n - (size_t)(signed_path - url), ticket))
        return;
    memcpy(url + n, query, sizeof(query) - 1);
    strcpy(url + n + sizeof(query) - 1, ticket);
}

bool volume_is_paused(const struct volume *volume)
{
    return uv_now(volume->volumes->loop) < volume->paused_until;
}

/* What fails while it is paused was sent before, or had no other place to go. */
static void pause_volume(struct volume *volume, int status)
{
    uint64_t now = uv_now(volume->volumes->loop);

    if (volume_is_paused(volume))
        return;
    if (volume->pause == 0 || now - volume->paused_until > PAUSE_MAX)
        volume->pause = PAUSE_MIN;
    else
        volume->pause = volume->pause * 2 < PAUSE_MAX ? volume->pause * 2 : PAUSE_MAX;
    volume->paused_until = now + volume->pause;
    volume->pause_status = status;
}

void volume_report_store(struct volume *volume, int rc, int status)
{
    if (rc == 0 && status >= 500 && status != 507)
        pause_volume(volume, status);
    volume_report(volume, rc, status);
}

/* --- The list -------------------------------------------------------------------------------- */

struct volume *volumes_find(const struct volumes *v, const char *name, size_t len)
{
    for (size_t i = 0; i < v->count; i++) {
        struct volume *volume = v->list[i];

        if (volume_names_meet(volume->name, strlen(volume->name), name, len))
            return volume;
    }
    return NULL;
}

static struct volume *find(const struct volumes *v, const char *name)
{
    return volumes_find(v, name, strlen(name));
}

static struct volume *add(struct volumes *v, const char *name)
{
    struct volume *volume = calloc(1, sizeof(*volume));

    if (volume == NULL)
        return NULL;
    volume->flusher = flusher_new(volume);
    volume->hasher = hasher_new(volume);
    volume->assembles = assembles_new();
    volume->annotator = annotator_new(volume);
    if (volume->flusher == NULL || volume->hasher == NULL || volume->assembles == NULL ||
        volume->annotator == NULL) {
        volume_free(volume);
        return NULL;
    }
    assert(strlen(name) < VOLUME_ADDRESS_MAX);
    strcpy(volume->name, name);
    volume->volumes = v;
    volume->free_bytes = volume->total_bytes = UINT64_MAX;
    volume->id = UINT32_MAX;
    volume->number = (uint32_t)v->count;
    v->list[v->count++] = volume;
    return volume;
}

/* A volume that takes up TLS, or gives it up, is the same one. It is asked by its new name at once,
 * and is identified anew so that the caller learns that name. */
static void take_scheme(struct volume *volume, const char *name)
{
    if (volume_name_has_tls(volume->name) == volume_name_has_tls(name))
        return;
    strcpy(volume->name, name);
    volume->identified = false;
    volume->probe_at = 0;
}

static void take_entry(struct volume *volume, const struct volume_entry *entry)
{
    struct address address = {.host = ""};

    take_scheme(volume, entry->name);
    volume_name_parse(volume->name, &address);
    snprintf(volume->zone, sizeof(volume->zone), "%s",
             entry->zone[0] != '\0' ? entry->zone : address.host);
    volume->weight = entry->weight;
    volume->is_listed = true;
}

int volumes_set(struct volumes *v, const struct volume_entry *entries, size_t n)
{
    size_t count = v->count;

    for (size_t i = 0; i < n; i++) {
        if (find(v, entries[i].name) != NULL)
            continue;
        if (v->count == VOLUMES_MAX || add(v, entries[i].name) == NULL) {
            int rc = v->count == VOLUMES_MAX ? UV_E2BIG : UV_ENOMEM;

            while (v->count > count)
                drop_last(v);
            return rc;
        }
    }
    for (size_t i = 0; i < v->count; i++)
        v->list[i]->is_listed = false;
    for (size_t i = 0; i < n; i++)
        take_entry(find(v, entries[i].name), &entries[i]);
    transfers_set_volumes(v->transfers, v->count);
    return 0;
}

int volumes_know(struct volumes *v, const char *name, struct volume **volume)
{
    struct volume_entry entry = {.weight = VOLUME_WEIGHT};

    *volume = find(v, name);
    if (*volume != NULL)
        return 0;
    if (v->count == VOLUMES_MAX)
        return UV_E2BIG;
    *volume = add(v, name);
    if (*volume == NULL)
        return UV_ENOMEM;
    snprintf(entry.name, sizeof(entry.name), "%s", name);
    take_entry(*volume, &entry);
    (*volume)->is_listed = false;
    transfers_set_volumes(v->transfers, v->count);
    return 0;
}

void volume_ask_again(struct volume *volume)
{
    volume->probe_at = 0;
}

size_t volumes_count(const struct volumes *v)
{
    return v->count;
}

struct volume *volumes_at(struct volumes *v, size_t i)
{
    return v->list[i];
}

int volumes_new(uv_loop_t *loop, struct transfers *transfers, volume_identified_cb cb, void *arg,
                struct volumes **volumes)
{
    struct volumes *v = calloc(1, sizeof(*v));

    if (v == NULL)
        return UV_ENOMEM;
    v->loop = loop;
    v->transfers = transfers;
    v->cb = cb;
    v->arg = arg;
    uv_timer_init(loop, &v->timer);
    v->timer.data = v;
    *volumes = v;
    return 0;
}

void volumes_start(struct volumes *v, void (*settled)(void *arg), void *arg)
{
    v->settled_cb = settled;
    v->settled_arg = arg;
    uv_timer_start(&v->timer, tick_cb, 0, TICK);
}

void volumes_stop(struct volumes *v, void (*cb)(void *arg), void *arg)
{
    v->stopping = true;
    v->stop_cb = cb;
    v->stop_arg = arg;
    uv_timer_stop(&v->timer);
    for (size_t i = 0; i < v->count; i++) {
        if (v->list[i]->probing)
            transfer_cancel(&v->list[i]->probe);
        v->n_probes += annotator_send(v->list[i]->annotator, v->transfers, annotated_cb);
    }
    close_if_idle(v);
}
