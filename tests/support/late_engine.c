/* A reading is done at the call, on the engine within, and its result kept with the request, which
 * joins a queue. An idle handle runs while somebody waits: its callback takes the whole queue and
 * answers it, and what is asked meanwhile waits for the next turn. A listing keeps a page at a
 * time; a page that its callback hasn't had enough of is followed by the next one, a turn later.
 *
 * An announcement views its key, goes to the engine within, and is told of with that view when it
 * has ended there; or after the readings of the next turn that isn't held. */
#include "tests/support/late_engine.h"

#include <string.h>

#include "tests/support/storebox.h"

#define PAGE_DEFAULT 10 /* entries, so that tests see more than one page */

struct entry {
    unsigned char key[STORE_KEY_MAX];
    size_t len;
    uint64_t generation;
    struct record record; /* or */
    struct orphan orphan;
};

struct page {
    struct entry *entries;
    size_t n;
    size_t room; /* it is full with so many */
    bool has_last;
    struct entry last; /* of the page before; only with has_last */
};

enum kind { GET, GET_ORPHAN, VIEW, VOLUME_ID, NOTE, LIST, LIST_ORPHANS };

struct store_request {
    TAILQ_ENTRY(store_request) link;
    struct late_engine *late;
    struct store_reading *reading; /* NULL: nobody waits any more */
    enum kind kind;
    bool is_queued;
    int rc;
    const void *key; /* the caller's, */
    void *key_copy;  /* which must stay like this */
    size_t len;
    union {
        store_got_cb got;
        store_got_orphan_cb got_orphan;
        store_viewed_cb viewed;
        store_identified_cb identified;
        store_put_note_cb noted;
        store_listed_cb listed;
    } done;
    struct store_view view; /* also of VIEW alone: the record or the orphan that was read */
    uint32_t id;
    struct store_range range; /* with bytes of our own, as the other one */
    struct store_orphan_range orphan_range;
    store_list_cb each;
    store_orphan_cb each_orphan;
    void *arg;
    struct page page;
};

TAILQ_HEAD(requests, store_request);

/* An announcement on its way, and what its key had before. */
struct announcement {
    TAILQ_ENTRY(announcement) link;
    struct late_engine *late;
    struct store_commit *commit;
    store_commit_cb done;
    struct store_view view;
    int rc;
};

TAILQ_HEAD(announcements, announcement);

static struct announcements announcements =
    TAILQ_HEAD_INITIALIZER(announcements); /* of all these engines: a commit names none */

struct late_engine {
    struct store base;
    struct store *inner;
    uv_idle_t turn; /* runs while anything waits, unless held */
    struct requests requests;
    struct announcements announced; /* that ended while it was held, and are still to be told */
    unsigned n_waiting; /* these, and readings without an answer, those being answered included */
    bool is_held;
    bool is_away;
    bool is_blind;
    bool follows;
    bool is_lapsed;
    uint64_t others[LATE_ENGINE_OTHERS]; /* instances that live */
    store_close_cb close_cb;
    void *close_arg;
};

static struct late_engine *late_of(const struct store *store)
{
    return (struct late_engine *)store;
}

/* --- Requests -------------------------------------------------------------------------------- */

static void *copy_bytes(const void *bytes, size_t len)
{
    char *copy = malloc(len + 1);

    STOREBOX_CHECK(copy != NULL, "out of memory");
    if (len > 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

static struct store_request *new_request(struct store *store, struct store_reading *reading,
                                         enum kind kind, const void *key, size_t len)
{
    struct late_engine *late = late_of(store);
    struct store_request *r = calloc(1, sizeof(*r));

    STOREBOX_CHECK(r != NULL, "out of memory");
    STOREBOX_CHECK(reading != NULL && reading->request == NULL, "this waits for another reading");
    r->late = late;
    r->reading = reading;
    r->kind = kind;
    r->key = key;
    r->key_copy = copy_bytes(key, len);
    r->len = len;
    r->rc = late->is_away ? STORE_AWAY : 0;
    return r;
}

static void free_request(struct store_request *r)
{
    free(r->key_copy);
    free((void *)r->range.prefix);
    free((void *)r->range.start);
    free((void *)r->orphan_range.key);
    free(r->page.entries);
    free(r);
}

static void turn_cb(uv_idle_t *turn);

static void watch(struct late_engine *late)
{
    if (late->is_held || (TAILQ_EMPTY(&late->requests) && TAILQ_EMPTY(&late->announced)))
        uv_idle_stop(&late->turn);
    else
        uv_idle_start(&late->turn, turn_cb);
}

static void queue(struct store_request *r)
{
    TAILQ_INSERT_TAIL(&r->late->requests, r, link);
    r->is_queued = true;
    watch(r->late);
}

static int begin(struct store_request *r)
{
    r->reading->request = r;
    r->late->n_waiting++;
    queue(r);
    return STORE_LATER;
}

/* The reader has its answer now, or wants none. */
static struct store_reading *let_go(struct store_request *r)
{
    struct store_reading *reading = r->reading;

    reading->request = NULL;
    r->reading = NULL;
    r->late->n_waiting--;
    return reading;
}

static void cancel(struct store *store, struct store_reading *reading)
{
    struct store_request *r = reading->request;

    STOREBOX_CHECK(&r->late->base == store && r->reading == reading, "not ours");
    let_go(r);
    if (!r->is_queued)
        return; /* a listing's callback did it */
    TAILQ_REMOVE(&r->late->requests, r, link);
    free_request(r);
    watch(late_of(store));
}

/* --- One thing ------------------------------------------------------------------------------- */

static int get(struct store *store, struct store_reading *reading, const void *key, size_t len,
               struct record *record, store_got_cb done)
{
    struct store_request *r = new_request(store, reading, GET, key, len);

    (void)record;
    r->done.got = done;
    if (r->rc == 0)
        r->rc = store_get(r->late->inner, NULL, key, len, &r->view.record, NULL);
    return begin(r);
}

static int get_orphan(struct store *store, struct store_reading *reading, const void *key,
                      size_t len, uint64_t generation, struct orphan *orphan,
                      store_got_orphan_cb done)
{
    struct store_request *r = new_request(store, reading, GET_ORPHAN, key, len);

    (void)orphan;
    r->done.got_orphan = done;
    if (r->rc == 0)
        r->rc = store_get_orphan(r->late->inner, NULL, key, len, generation, &r->view.orphan, NULL);
    return begin(r);
}

static int view(struct store *store, struct store_reading *reading, const void *key, size_t len,
                struct store_view *view, store_viewed_cb done)
{
    struct store_request *r = new_request(store, reading, VIEW, key, len);

    (void)view;
    r->done.viewed = done;
    if (r->rc == 0)
        r->rc = store_view(r->late->inner, NULL, key, len, &r->view, NULL);
    return begin(r);
}

static int volume_id(struct store *store, struct store_reading *reading, const char *name,
                     uint32_t *id, store_identified_cb done)
{
    struct store_request *r = new_request(store, reading, VOLUME_ID, name, strlen(name) + 1);

    (void)id;
    r->done.identified = done;
    if (r->rc == 0)
        r->rc = store_volume_id(r->late->inner, NULL, name, &r->id, NULL);
    return begin(r);
}

static int put_note(struct store *store, struct store_reading *reading,
                    const struct store_note *note, store_put_note_cb done)
{
    struct store_request *r = new_request(store, reading, NOTE, "", 0);

    r->done.noted = done;
    if (r->rc == 0)
        r->rc = store_put_note(r->late->inner, NULL, note, NULL);
    return begin(r);
}

static void answer_one(struct store_request *r)
{
    struct store_reading *reading = let_go(r);
    bool is_well = r->rc == 0;

    STOREBOX_CHECK(memcmp(r->key, r->key_copy, r->len) == 0, "the key has changed");
    if (r->kind == GET)
        r->done.got(reading, r->rc, is_well ? &r->view.record : NULL);
    else if (r->kind == GET_ORPHAN)
        r->done.got_orphan(reading, r->rc, is_well ? &r->view.orphan : NULL);
    else if (r->kind == VIEW)
        r->done.viewed(reading, r->rc, is_well ? &r->view : NULL);
    else if (r->kind == NOTE)
        r->done.noted(reading, r->rc);
    else
        r->done.identified(reading, r->rc, r->id);
    free_request(r);
}

/* --- Listings -------------------------------------------------------------------------------- */

#define PAGE_FULL 1

/* Room for one more entry of this name, or NULL when it ended the page before. */
static struct entry *add_entry(struct page *page, const void *key, size_t len, uint64_t generation)
{
    struct entry *entry = &page->entries[page->n];

    if (page->has_last && page->last.generation == generation && page->last.len == len &&
        memcmp(page->last.key, key, len) == 0)
        return NULL;
    memcpy(entry->key, key, len);
    entry->len = len;
    entry->generation = generation;
    page->n++;
    return entry;
}

static int keep_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct page *page = arg;
    struct entry *entry = add_entry(page, key, len, 0);

    if (entry != NULL)
        record_copy(&entry->record, record);
    return page->n == page->room ? PAGE_FULL : 0;
}

static int keep_orphan_cb(const void *key, size_t len, uint64_t generation,
                          const struct orphan *orphan, void *arg)
{
    struct page *page = arg;
    struct entry *entry = add_entry(page, key, len, generation);

    if (entry != NULL)
        entry->orphan = *orphan;
    return page->n == page->room ? PAGE_FULL : 0;
}

/* Reads the first page, or the one after the last. */
static void read_page(struct store_request *r)
{
    struct page *page = &r->page;
    struct store_range range = r->range;
    struct store_orphan_range orphan_range = r->orphan_range;

    page->has_last = page->n > 0;
    if (page->has_last) {
        page->last = page->entries[page->n - 1];
        range.start = orphan_range.key = page->last.key;
        range.start_len = orphan_range.len = page->last.len;
        orphan_range.generation = page->last.generation;
    }
    page->n = 0;
    if (r->kind == LIST)
        r->rc = store_list(r->late->inner, NULL, &range, keep_cb, page, NULL);
    else
        r->rc = store_list_orphans(r->late->inner, NULL, &orphan_range, keep_orphan_cb, page, NULL);
}

static int begin_list(struct store_request *r, size_t want, void *arg, store_listed_cb done)
{
    r->arg = arg;
    r->done.listed = done;
    r->page.room = want > 0 ? want : PAGE_DEFAULT;
    r->page.entries = calloc(r->page.room, sizeof(*r->page.entries));
    STOREBOX_CHECK(r->page.entries != NULL, "out of memory");
    if (r->rc == 0)
        read_page(r);
    return begin(r);
}

static int list(struct store *store, struct store_reading *reading, const struct store_range *range,
                store_list_cb each, void *arg, store_listed_cb done)
{
    struct store_request *r = new_request(store, reading, LIST, "", 0);

    r->range = *range;
    r->range.prefix = copy_bytes(range->prefix, range->prefix_len);
    r->range.start = copy_bytes(range->start, range->start_len);
    r->each = each;
    return begin_list(r, range->want, arg, done);
}

static int list_orphans(struct store *store, struct store_reading *reading,
                        const struct store_orphan_range *range, store_orphan_cb each, void *arg,
                        store_listed_cb done)
{
    struct store_request *r = new_request(store, reading, LIST_ORPHANS, "", 0);

    r->orphan_range = *range;
    r->orphan_range.key = copy_bytes(range->key, range->len);
    r->each_orphan = each;
    return begin_list(r, range->want, arg, done);
}

/* What the listing's callback says of the page, from a copy that is gone after each call. */
static int deliver(struct store_request *r)
{
    int rc = 0;

    for (size_t i = 0; i < r->page.n && rc == 0 && r->reading != NULL; i++) {
        struct entry *entry = &r->page.entries[i];
        unsigned char *key = copy_bytes(entry->key, entry->len);

        rc = r->kind == LIST
                 ? r->each(key, entry->len, &entry->record, r->arg)
                 : r->each_orphan(key, entry->len, entry->generation, &entry->orphan, r->arg);
        STOREBOX_CHECK(rc != STORE_LATER, "a listing's callback can't wait");
        free(key);
    }
    return rc;
}

static void answer_list(struct store_request *r)
{
    bool goes_on = r->rc == PAGE_FULL;
    int rc = r->rc < 0 ? r->rc : deliver(r);

    if (r->reading != NULL && rc == 0 && goes_on) {
        read_page(r);
        queue(r);
        return;
    }
    if (r->reading != NULL)
        r->done.listed(let_go(r), rc);
    free_request(r);
}

/* --- Turns ----------------------------------------------------------------------------------- */

static void answer(struct store_request *r)
{
    r->is_queued = false;
    if (r->kind == LIST || r->kind == LIST_ORPHANS)
        answer_list(r);
    else
        answer_one(r);
}

static void tell(struct announcement *a)
{
    if (a->rc == 0)
        a->commit->view = &a->view;
    a->done(a->commit, a->rc);
    free(a);
}

static void tell_all(struct late_engine *late)
{
    struct announcement *a;

    while ((a = TAILQ_FIRST(&late->announced)) != NULL && !late->is_held) {
        TAILQ_REMOVE(&late->announced, a, link);
        late->n_waiting--;
        tell(a);
    }
}

/* A callback may cancel what else waits, so each is taken from the queue's head; what it begins
 * joins the queue after `last`, which marks the turn's end. */
static void turn_cb(uv_idle_t *turn)
{
    struct late_engine *late = turn->data;
    struct store_request last = {.late = late};
    struct store_request *r;

    TAILQ_INSERT_TAIL(&late->requests, &last, link);
    while ((r = TAILQ_FIRST(&late->requests)) != &last && !late->is_held) {
        TAILQ_REMOVE(&late->requests, r, link);
        answer(r);
    }
    TAILQ_REMOVE(&late->requests, &last, link);
    tell_all(late);
    watch(late);
}

/* --- What goes to the engine within ---------------------------------------------------------- */

static int commit(struct store *store, struct store_commit *commit,
                  const struct store_change *changes, size_t n, store_commit_cb done)
{
    struct late_engine *late = late_of(store);

    return late->is_away ? STORE_AWAY : store_commit(late->inner, commit, changes, n, done);
}

static void announced_cb(struct store_commit *commit, int rc)
{
    struct announcement *a;

    TAILQ_FOREACH(a, &announcements, link)
    {
        if (a->commit == commit)
            break;
    }
    STOREBOX_CHECK(a != NULL, "nobody announced this");
    TAILQ_REMOVE(&announcements, a, link);
    a->rc = rc;
    if (a->late->is_held) {
        a->late->n_waiting++;
        TAILQ_INSERT_TAIL(&a->late->announced, a, link);
    } else {
        tell(a);
    }
}

static void unseen_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    (void)reading, (void)rc, (void)view;
    STOREBOX_CHECK(false, "the engine within answers at once");
}

/* With a look at the key, as it was before. */
static int announce(struct store *store, struct store_commit *commit,
                    const struct store_change *change, store_commit_cb done)
{
    struct late_engine *late = late_of(store);
    struct store_reading reading = {.request = NULL};
    struct store_view view;
    struct announcement *a;
    int rc;

    if (late->is_away)
        return STORE_AWAY;
    if (late->is_blind)
        return store_announce(late->inner, commit, change, done);
    rc = store_view(late->inner, &reading, change->key, change->len, &view, unseen_cb);
    STOREBOX_CHECK(rc == 0, "no view of a key: %d", rc);
    a = calloc(1, sizeof(*a));
    STOREBOX_CHECK(a != NULL, "out of memory");
    *a = (struct announcement){.late = late, .commit = commit, .done = done};
    store_view_copy(&a->view, &view);
    rc = store_announce(late->inner, commit, change, announced_cb);
    if (rc < 0)
        free(a);
    else
        TAILQ_INSERT_HEAD(&announcements, a, link);
    return rc;
}

static const char *volume_name(const struct store *store, uint32_t id)
{
    return store_volume_name(late_of(store)->inner, id);
}

static uint64_t last_generation(const struct store *store)
{
    return store_last_generation(late_of(store)->inner);
}

static void stats(const struct store *store, struct store_stats *stats)
{
    store_stats(late_of(store)->inner, stats);
    stats->is_away = late_of(store)->is_away;
}

static bool leads(const struct store *store)
{
    return !late_of(store)->follows && store_leads(late_of(store)->inner);
}

static bool holds(const struct store *store)
{
    return !late_of(store)->is_lapsed && store_holds(late_of(store)->inner);
}

static bool lives(const struct store *store, uint64_t instance)
{
    bool lives = instance == store->instance;

    for (unsigned i = 0; i < LATE_ENGINE_OTHERS && !lives; i++)
        lives = instance == late_of(store)->others[i];
    return lives;
}

static int get_note(const struct store *store, const char *name, struct buf *value)
{
    return store_get_note(late_of(store)->inner, name, value);
}

static void turn_closed_cb(uv_handle_t *turn)
{
    struct late_engine *late = turn->data;

    store_close(late->inner, late->close_cb, late->close_arg);
    free(late);
}

static void close_store(struct store *store, store_close_cb cb, void *arg)
{
    struct late_engine *late = late_of(store);

    STOREBOX_CHECK(late->n_waiting == 0, "%u readings wait", late->n_waiting);
    late->close_cb = cb;
    late->close_arg = arg;
    uv_close((uv_handle_t *)&late->turn, turn_closed_cb);
}

static const struct store_engine calls = {
    .name = "late",
    .close = close_store,
    .get = get,
    .get_orphan = get_orphan,
    .view = view,
    .list = list,
    .list_orphans = list_orphans,
    .cancel = cancel,
    .commit = commit,
    .announce = announce,
    .volume_id = volume_id,
    .volume_name = volume_name,
    .last_generation = last_generation,
    .stats = stats,
    .leads = leads,
    .holds = holds,
    .lives = lives,
    .get_note = get_note,
    .put_note = put_note,
};

struct store *late_engine_new(uv_loop_t *loop, struct store *inner)
{
    struct late_engine *late = calloc(1, sizeof(*late));

    STOREBOX_CHECK(late != NULL && uv_idle_init(loop, &late->turn) == 0, "no late engine");
    late->base = *inner;
    late->base.engine = &calls;
    late->base.is_prompt = false;
    late->inner = inner;
    late->turn.data = late;
    TAILQ_INIT(&late->requests);
    TAILQ_INIT(&late->announced);
    return &late->base;
}

void late_engine_hold(struct store *late, bool held)
{
    late_of(late)->is_held = held;
    watch(late_of(late));
}

void late_engine_set_away(struct store *late, bool away)
{
    late_of(late)->is_away = away;
}

void late_engine_set_blind(struct store *late, bool blind)
{
    late_of(late)->is_blind = blind;
}

void late_engine_set_leads(struct store *late, bool leads)
{
    late_of(late)->follows = !leads;
}

void late_engine_set_holds(struct store *late, bool holds)
{
    late_of(late)->is_lapsed = !holds;
}

void late_engine_share(struct store *late, uint64_t instance, unsigned settle_ms)
{
    late->instance = instance;
    late->settle_ms = settle_ms;
}

void late_engine_set_lives(struct store *late, unsigned number, uint64_t instance)
{
    late_of(late)->others[number] = instance;
}

unsigned late_engine_waiting(const struct store *late)
{
    return late_of(late)->n_waiting;
}
