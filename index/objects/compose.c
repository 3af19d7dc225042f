/* Happy path: a write is started. The sources are looked up, a few in a turn of the loop, and make
 * a recipe for the volumes that have them all. If one of those is to have the value, the write has
 * the volumes make it, and tells how that ended.
 *
 * If none is, or what they were asked to make has failed, the bytes go through here: each source in
 * turn is got from a volume that has it. What comes within libcurl waits in a window; pump_cb(),
 * from the loop, gives it to the write, as fast as that takes it. After the last source the write
 * ends.
 *
 * Failures: a copy that can't be read, or breaks off, is gone on with from another one. When none
 * is left the source is looked up anew, once; then the write is forgotten, which leaves the key as
 * it was. When what was read isn't the value, one of the copies has rotted: all is read anew, of
 * each source another copy first. */
#include "index/objects/compose.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"

#define WINDOW_HIGH  (256 * 1024) /* bytes that pause the source ... */
#define WINDOW_LOW   (64 * 1024)  /* ... until the write has taken all but so many */
#define RECIPES_MAX  (24UL << 20) /* bytes of all recipes; one may be longer, ... */
#define RECIPES_BUSY (1UL << 20)  /* ... while there are no more than this of others */
#define RECIPE_SMALL (16 * 1024)  /* one that is no longer is always taken */
#define TURN_NS      1000000      /* that sources are looked up, before others have their turn */

/* Where a compose waits, and for whom. */
struct compose;

enum compose_state {
    COMPOSE_LISTING, /* the loop: the next sources are to be looked up */
    COMPOSE_LISTED,  /* the write, which is to start */
    COMPOSE_MAKING,  /* the write, which has the volumes make the value */
    COMPOSE_RETRY,   /* the loop: that, or what was read, has failed; a new write is to be begun */
    COMPOSE_NEXT,    /* the loop: the next source is to be begun */
    COMPOSE_READING, /* the volume and the write */
    COMPOSE_ENDING,  /* the write, which has all */
    COMPOSE_FAILING, /* the volume: its request was broken off */
    COMPOSE_ENDED,
};

struct compose_asked {
    void (*then)(struct compose *c, int rc); /* NULL: the source isn't asked for */
};

struct compose {
    struct objects *objects;
    struct key key;
    struct compose_options options;
    enum compose_state state;
    struct write *write; /* NULL once it has ended */
    struct recipe recipe;
    size_t counted; /* bytes of it, in objects->recipe_bytes, until the value is made */
    bool has_md5;   /* the value's is that of its only source: */
    unsigned char md5[MD5_SIZE];
    unsigned char wanted_md5[MD5_SIZE];
    char *meta;
    size_t at; /* of the sources */
    struct compose_source source;
    struct compose_asked asked; /* for it */
    bool is_starting;           /* the write: it takes nothing yet */
    bool is_again;              /* it was looked up anew */
    uint64_t generation;        /* that it had before that */
    unsigned rereads;           /* of all sources, since what was read wasn't the value */
    unsigned tried;             /* bits of its record's places */
    uint64_t received;          /* bytes of it */
    struct transfer get;
    struct volume *from;
    bool is_getting;
    bool is_full; /* the write has no room */
    struct buf window;
    uv_idle_t pump; /* runs while there is something to do in the loop */
    int rc;         /* of the failure */
    char text[UPLOAD_TEXT_MAX];
};

static void begin_source(struct compose *c);
static void list_sources(struct compose *c);

static void closed_cb(uv_handle_t *handle)
{
    struct compose *c = handle->data;

    free(c);
}

/* Tells how it ended, which is the last that is done with it. */
static void end(struct compose *c, int rc, const char *text, const struct record *record)
{
    struct objects *o = c->objects;
    write_done_cb done = c->options.done;
    void *arg = c->options.arg;

    assert(c->state != COMPOSE_ENDED && !c->is_getting);
    c->state = COMPOSE_ENDED;
    o->recipe_bytes -= c->counted;
    buf_deinit(&c->window);
    recipe_deinit(&c->recipe);
    free(c->meta);
    done(arg, rc, text, record);
    uv_close((uv_handle_t *)&c->pump, closed_cb);
    objects_end(o);
}

/* Breaks off what goes on; `text` is c->text already. */
static void fail(struct compose *c, int rc)
{
    c->rc = rc;
    if (c->write != NULL)
        write_forget(c->write);
    c->write = NULL;
    uv_idle_stop(&c->pump);
    c->state = COMPOSE_FAILING;
    if (c->is_getting)
        transfer_cancel(&c->get);
    else if (c->asked.then == NULL)
        end(c, rc, c->text, NULL);
}

static void fail_with(struct compose *c, int rc, const char *text)
{
    strcpy(c->text, text);
    fail(c, rc);
}

/* Looks at what `next` has said. False: it has failed, and all is over. */
static bool is_found(struct compose *c, int rc)
{
    if (rc < 0)
        fail_with(c, rc, "what the value is made of is gone\n");
    else
        assert(c->source.offset + c->source.length <= c->source.record.size);
    return rc == 0;
}

/* Gets the source that is next: 0, negative, or STORE_LATER, and then `then` follows with that. */
static int look_up(struct compose *c, void (*then)(struct compose *c, int rc))
{
    int rc;

    c->asked.then = then;
    rc = c->options.next(c->options.arg, c->at, &c->source, &c->asked);
    if (rc != STORE_LATER)
        c->asked.then = NULL;
    return rc;
}

void compose_answer(struct compose_asked *asked, int rc)
{
    struct compose *c = (struct compose *)((char *)asked - offsetof(struct compose, asked));
    void (*then)(struct compose * c, int rc) = asked->then;

    asked->then = NULL;
    if (c->state == COMPOSE_FAILING)
        end(c, c->rc, c->text, NULL);
    else
        then(c, rc);
}

/* --- The write -------------------------------------------------------------------------------- */

static void pump_cb(uv_idle_t *idle);

static void go_on(struct compose *c)
{
    uv_idle_start(&c->pump, pump_cb);
}

static void drained_cb(void *arg)
{
    struct compose *c = arg;

    c->is_full = false;
    go_on(c);
}

static void make(struct compose *c);

static void started_cb(void *arg)
{
    struct compose *c = arg;

    c->is_starting = false;
    if (c->state == COMPOSE_LISTED)
        make(c);
    else
        go_on(c);
}

static void written_cb(void *arg, int rc, const char *text, const struct record *record)
{
    struct compose *c = arg;

    c->write = NULL;
    if (c->state == COMPOSE_MAKING && (rc == UV_EREMOTEIO || rc == UV_EAGAIN)) {
        c->state = COMPOSE_RETRY;
        go_on(c);
    } else if (c->state == COMPOSE_MAKING || c->state == COMPOSE_ENDING) {
        uv_idle_stop(&c->pump);
        end(c, rc, text, record);
    } else {
        strcpy(c->text, text);
        fail(c, rc);
    }
}

static int condition_cb(void *arg, const struct record *record)
{
    struct compose *c = arg;

    return c->options.condition(c->options.arg, record);
}

/* What was read isn't the value, and the write is over: begins anew with another copy, as long as
 * there is one that hasn't been the first to be read. */
static void reread(struct compose *c)
{
    if (c->from != NULL)
        log_limited(LOG_LEVEL_WARN, "what was read of volume %s is not the value that was stored",
                    c->from->name);
    if (++c->rereads >= c->source.record.n_places) {
        fail_with(c, UV_EILSEQ, "what the value is made of isn't what it was\n");
        return;
    }
    c->state = COMPOSE_RETRY;
    go_on(c);
}

static void end_write(struct compose *c)
{
    int rc;

    if (c->is_starting)
        return; /* started_cb() comes back */
    c->state = COMPOSE_ENDING;
    rc = write_end_with(c->write, c->meta, c->options.meta_len, c->text);
    if (rc < 0)
        c->write = NULL;
    if (rc == UV_EILSEQ)
        reread(c);
    else if (rc < 0)
        fail(c, rc);
}

/* Gives the write what has come. False when it is over. */
static bool empty_window(struct compose *c)
{
    size_t n = buf_size(&c->window);
    int rc;

    if (n == 0 || c->is_full || c->is_starting)
        return true;
    rc = write_data(c->write, buf_bytes(&c->window), n, c->text);
    if (rc < 0) {
        c->write = NULL;
        fail(c, rc);
        return false;
    }
    buf_clear(&c->window);
    c->is_full = rc == 0;
    return true;
}

/* Begins a write of the value. 0; or negative, with `text`. */
static int begin_write(struct compose *c, char text[UPLOAD_TEXT_MAX])
{
    const struct compose_options *options = &c->options;
    int rc = write_start(c->objects, &c->key,
                         &(struct write_options){
                             .size = (int64_t)options->size,
                             .md5 = options->md5,
                             .needs_md5 = options->wants_md5,
                             .allows_empty = true,
                             .replaces = options->replaces,
                             .condition = options->condition != NULL ? condition_cb : NULL,
                             .removes = options->removes,
                             .started = started_cb,
                             .drained = drained_cb,
                             .done = written_cb,
                             .arg = c,
                         },
                         &c->write, text);

    c->is_starting = rc == 0;
    return rc;
}

static void retry(struct compose *c)
{
    int rc = begin_write(c, c->text);

    if (rc < 0) {
        fail(c, rc);
        return;
    }
    buf_clear(&c->window);
    c->is_full = false;
    c->rc = 0;
    c->state = COMPOSE_NEXT;
    c->at = 0;
    go_on(c);
}

static void pump_cb(uv_idle_t *idle)
{
    struct compose *c = idle->data;

    uv_idle_stop(&c->pump);
    if (c->asked.then != NULL)
        return;
    if (c->state == COMPOSE_LISTING)
        list_sources(c);
    else if (c->state == COMPOSE_RETRY)
        retry(c);
    if ((c->state != COMPOSE_NEXT && c->state != COMPOSE_READING) || !empty_window(c))
        return;
    if (c->is_getting) {
        if (buf_size(&c->window) <= WINDOW_LOW)
            transfer_wake(&c->get);
    } else if (c->state == COMPOSE_NEXT && buf_size(&c->window) == 0) {
        begin_source(c);
    }
}

/* --- The volumes ------------------------------------------------------------------------------ */

static bool get_write_cb(struct transfer *get, const char *bytes, size_t n)
{
    struct compose *c = get->data;

    if (c->state != COMPOSE_READING)
        return true;
    if (buf_size(&c->window) >= WINDOW_HIGH)
        return false;
    if (n > c->source.length - c->received)
        c->rc = UV_EILSEQ; /* get_done_cb() sees it */
    else if (buf_append(&c->window, bytes, n) < 0)
        c->rc = UV_ENOMEM;
    else
        c->received += n;
    go_on(c);
    return true;
}

static int get_from(struct compose *c, const struct place *place);

/* Goes on with a copy that wasn't tried yet. False when there is none. */
static bool try_another(struct compose *c)
{
    const struct record *record = &c->source.record;

    for (unsigned i = 0; i < record->n_places; i++) {
        unsigned at = (c->rereads + i) % record->n_places;

        if (c->tried >> at & 1U)
            continue;
        c->tried |= 1U << at;
        if (get_from(c, &record->places[at]) == 0)
            return true;
    }
    return false;
}

static void read_failed(struct compose *c)
{
    fail_with(c, UV_EREMOTEIO, "no copy of what the value is made of can be read\n");
}

/* The source is known anew: what was read of another blob doesn't go on with it. */
static void found_again(struct compose *c, int rc)
{
    if (!is_found(c, rc))
        return;
    if ((c->received > 0 && c->source.record.generation != c->generation) || !try_another(c))
        read_failed(c);
}

/* Looks at the source, and begins to read it from where it is. */
static void read_source(struct compose *c)
{
    int rc;

    if (try_another(c))
        return;
    if (c->is_again) {
        read_failed(c);
        return;
    }
    c->is_again = true;
    c->tried = 0;
    c->generation = c->source.record.generation;
    rc = look_up(c, found_again);
    if (rc != STORE_LATER)
        found_again(c, rc);
}

/* A source that gives too much, or all of it from another disk than the known one, isn't right. */
static void get_done_cb(struct transfer *get, int rc, int status)
{
    struct compose *c = get->data;
    bool right = transfer_succeeded(rc, status) && volume_has_answered(c->from, get);
    bool is_all = c->received == c->source.length;

    c->is_getting = false;
    if (c->state == COMPOSE_FAILING) {
        end(c, c->rc, c->text, NULL);
    } else if (c->rc == UV_ENOMEM) {
        fail_with(c, UV_ENOMEM, "out of memory\n");
    } else if (c->rc == 0 && right && is_all) {
        c->at++;
        c->state = COMPOSE_NEXT;
        go_on(c);
    } else if (c->rc == UV_EILSEQ || is_all) {
        write_forget(c->write);
        c->write = NULL;
        reread(c);
    } else {
        read_source(c);
    }
}

/* 0, or UV_ENOENT or another negative UV_E* when it can't be asked. */
static int get_from(struct compose *c, const struct place *place)
{
    const struct compose_source *s = &c->source;
    uint64_t left = s->length - c->received;
    char path[PLACEMENT_PATH_MAX];
    char url[PLACEMENT_URL_MAX];
    int rc;

    c->from = place_live(c->objects->places, place);
    if (c->from == NULL)
        return UV_ENOENT;
    placement_path(s->key.bytes, s->key.len, s->record.generation, path);
    placement_url(c->from->name, place, path, url);
    c->get = (struct transfer){.data = c, .volume = c->from};
    c->state = COMPOSE_READING;
    if (left == s->record.size)
        rc = transfer_get(c->objects->transfers, &c->get, url, 0, get_write_cb, get_done_cb);
    else
        rc = transfer_get_range(c->objects->transfers, &c->get, url, s->offset + c->received, left,
                                get_write_cb, get_done_cb);
    c->is_getting = rc == 0;
    return rc;
}

/* False where there is nothing to read of it. */
static bool begin_found(struct compose *c)
{
    if (c->source.length == 0) {
        c->at++;
        return false;
    }
    c->is_again = false;
    c->tried = 0;
    c->received = 0;
    read_source(c);
    return true;
}

static void found_next(struct compose *c, int rc)
{
    if (is_found(c, rc) && !begin_found(c))
        begin_source(c);
}

static void begin_source(struct compose *c)
{
    int rc;

    do {
        if (c->at == c->options.n_sources) {
            end_write(c);
            return;
        }
        rc = look_up(c, found_next);
        if (rc == STORE_LATER || !is_found(c, rc))
            return;
    } while (!begin_found(c));
}

/* --- The recipe ------------------------------------------------------------------------------- */

/* Whether there is room for it beside those of others. */
static bool count_recipe(struct compose *c)
{
    size_t *all = &c->objects->recipe_bytes;
    size_t bytes = recipe_bytes(&c->recipe);

    *all += bytes - c->counted;
    c->counted = bytes;
    return bytes <= RECIPE_SMALL || *all <= RECIPES_MAX || *all - bytes <= RECIPES_BUSY;
}

static void begin_reading(struct compose *c)
{
    recipe_deinit(&c->recipe);
    count_recipe(c);
    c->state = COMPOSE_NEXT;
    c->at = 0;
    begin_source(c);
}

static void add_source(struct compose *c)
{
    const struct record *record = &c->source.record;

    objects_add_to_recipe(c->objects, &c->recipe, &c->source.key, record, c->source.offset,
                          c->source.length);
    c->has_md5 = (record->flags & RECORD_MD5) && c->source.length == c->options.size &&
                 c->source.length == record->size;
    if (c->has_md5)
        memcpy(c->md5, record->md5, MD5_SIZE);
}

/* Has volumes make the value, if those that are to have it can. */
static void make(struct compose *c)
{
    int rc;

    if (c->is_starting) {
        c->state = COMPOSE_LISTED;
        return;
    }
    if (c->recipe.n > 0 && c->recipe.size != c->options.size) {
        fail_with(c, UV_EILSEQ, "what the value is made of isn't what it was\n");
        return;
    }
    rc = write_make(c->write, &c->recipe, c->has_md5 ? c->md5 : NULL, c->meta, c->options.meta_len,
                    c->text);

    if (rc == UV_ENOTSUP) {
        begin_reading(c);
    } else if (rc < 0) {
        c->write = NULL;
        fail(c, rc);
    } else {
        c->state = COMPOSE_MAKING;
    }
}

/* False when no volume can make the value of what was listed so far. */
static bool add_listed(struct compose *c)
{
    c->at++;
    if (c->source.length > 0)
        add_source(c);
    return c->recipe.n_sources == 0 || c->recipe.n > 0;
}

static void found_listed(struct compose *c, int rc)
{
    if (!is_found(c, rc))
        return;
    if (add_listed(c))
        list_sources(c);
    else
        begin_reading(c);
}

static void list_sources(struct compose *c)
{
    uint64_t until = uv_hrtime() + TURN_NS;

    while (c->at < c->options.n_sources && uv_hrtime() < until) {
        int rc = look_up(c, found_listed);

        if (rc == STORE_LATER || !is_found(c, rc))
            return;
        if (!add_listed(c)) {
            begin_reading(c);
            return;
        }
    }
    if (!count_recipe(c))
        fail_with(c, UV_EBUSY, "too many values are made of too many parts\n");
    else if (c->at < c->options.n_sources)
        go_on(c);
    else
        make(c);
}

/* --- The start -------------------------------------------------------------------------------- */

static struct compose *compose_new(struct objects *o, const struct key *key,
                                   const struct compose_options *options)
{
    struct compose *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->objects = o;
    c->key = *key;
    c->options = *options;
    c->options.meta = NULL;
    if (options->md5 != NULL)
        c->options.md5 = memcpy(c->wanted_md5, options->md5, MD5_SIZE);
    if (options->meta_len > 0) {
        c->meta = malloc(options->meta_len);
        if (c->meta == NULL) {
            free(c);
            return NULL;
        }
        memcpy(c->meta, options->meta, options->meta_len);
    }
    return c;
}

int compose_start(struct objects *o, const struct key *key, const struct compose_options *options,
                  char text[UPLOAD_TEXT_MAX])
{
    struct compose *c = compose_new(o, key, options);
    int rc;

    if (c == NULL) {
        strcpy(text, "out of memory\n");
        return UV_ENOMEM;
    }
    rc = begin_write(c, text);
    if (rc < 0) {
        free(c->meta);
        free(c);
        return rc;
    }
    objects_begin(o);
    uv_idle_init(o->loop, &c->pump);
    c->pump.data = c;
    c->state = COMPOSE_LISTING;
    go_on(c);
    return 0;
}
