/* Notes: all of them are in memory, as each renewal of the lease reads them. One is put by a
 * statement in the thread, which goes by what the note has then; after it, all are read again. */
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/store/postgres/internal.h"

enum { NAME, VALUE }; /* columns of the rows, in binary */

void notes_deinit(struct notes *notes)
{
    PQclear(notes->rows);
    PQclear(notes->living);
    *notes = (struct notes){NULL, NULL};
}

/* --- What is known ---------------------------------------------------------------------------- */

static bool has(const PGresult *rows, int row, int column, const void *bytes, size_t n)
{
    size_t len;
    const char *value = rows_value(rows, row, column, &len);

    return value != NULL && len == n && memcmp(value, bytes, n) == 0;
}

int notes_get(const struct store *store, const char *name, struct buf *value)
{
    const PGresult *rows = postgres_of(store)->notes.rows;

    for (int i = 0; i < PQntuples(rows); i++) {
        size_t n;
        const char *bytes = rows_value(rows, i, VALUE, &n);

        if (bytes != NULL && has(rows, i, NAME, name, strlen(name)))
            return buf_append(value, bytes, n);
    }
    return 0;
}

bool notes_lives(const struct store *store, uint64_t instance)
{
    const PGresult *living = postgres_of(store)->notes.living;
    char number[8];
    bool lives = instance == store->instance;

    store_be64(number, instance);
    for (int i = 0; i < PQntuples(living) && !lives; i++)
        lives = has(living, i, 0, number, sizeof(number));
    return lives;
}

static bool is_same(const PGresult *a, const PGresult *b)
{
    bool same = PQntuples(a) == PQntuples(b);

    for (int i = 0; i < PQntuples(a) && same; i++) {
        for (int column = NAME; column <= VALUE && same; column++) {
            size_t n;
            const char *value = rows_value(b, i, column, &n);

            same = value != NULL && has(a, i, column, value, n);
        }
    }
    return same;
}

void notes_take(struct postgres_engine *e, struct notes *read)
{
    struct notes before = e->notes;
    bool same = is_same(before.rows, read->rows);

    e->notes = *read;
    *read = (struct notes){NULL, NULL};
    notes_deinit(&before);
    if (!same && e->base.noted != NULL && !e->is_closing)
        e->base.noted(e->base.noted_arg);
}

/* --- In the thread ---------------------------------------------------------------------------- */

/* NULL and a line in `error`, or rows. */
static PGresult *list(PGconn *pg, const char *sql, char error[256])
{
    PGresult *result =
        connection_wait(pg, PQsendQueryParams(pg, sql, 0, NULL, NULL, NULL, NULL, 1), error);

    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    if (result != NULL)
        connection_note(error, PQerrorMessage(pg));
    PQclear(result);
    return NULL;
}

int notes_read(PGconn *pg, struct notes *notes, char error[256])
{
    notes_deinit(notes);
    notes->rows = list(pg, "SELECT name, value FROM notes ORDER BY name", error);
    if (notes->rows != NULL)
        notes->living = list(pg, "SELECT instance FROM indexes WHERE " LIVES, error);
    if (notes->living != NULL)
        return 0;
    notes_deinit(notes);
    return STORE_AWAY;
}

/* --- Putting one ------------------------------------------------------------------------------ */

struct errand {
    struct control_job job;
    struct postgres_engine *engine;
    struct store_request *request;
    struct store_note note; /* its bytes follow this struct */
    int rc;
    struct notes read;
    char error[256];
};

static const char *statement_of(const struct store_note *note)
{
    if (note->was_len == 0)
        return "INSERT INTO notes (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    if (note->len == 0)
        return "DELETE FROM notes WHERE name = $1 AND value = $3";
    return "UPDATE notes SET value = $2 WHERE name = $1 AND value = $3";
}

static int put(const struct store_note *note, PGconn *pg, char error[256])
{
    static const Oid types[] = {25, 17, 17}; /* text and bytea: pg_type.dat */
    static const int formats[] = {1, 1, 1};
    const char *values[] = {note->name, note->value, note->was};
    const int lengths[] = {(int)strlen(note->name), (int)note->len, (int)note->was_len};
    bool is_warned = false; /* a standby that takes over may know nothing of it */
    PGresult *result;
    int rc = STORE_AWAY;
    int sent;

    PQsetNoticeReceiver(pg, connection_notice_cb, &is_warned);
    sent = PQsendQueryParams(pg, statement_of(note), 3, types, values, lengths, formats, 1);
    result = connection_wait(pg, sent, error);
    PQsetNoticeReceiver(pg, connection_notice_cb, NULL);
    if (PQresultStatus(result) == PGRES_COMMAND_OK && is_warned)
        connection_note(error, "no standby confirms changes");
    else if (PQresultStatus(result) == PGRES_COMMAND_OK)
        rc = strcmp(PQcmdTuples(result), "1") == 0 ? 0 : STORE_CONFLICT;
    else if (result != NULL)
        connection_note(error, PQerrorMessage(pg));
    PQclear(result);
    return rc;
}

static void run_cb(struct control_job *job)
{
    struct errand *n = job->data;
    struct postgres_engine *e = n->engine;

    n->rc = STORE_AWAY;
    if (e->pg == NULL)
        e->pg = volumes_connect(e, false, n->error);
    if (e->pg == NULL)
        return;
    n->rc = put(&n->note, e->pg, n->error);
    if (n->rc != STORE_AWAY && notes_read(e->pg, &n->read, n->error) < 0)
        n->rc = STORE_AWAY;
    if (n->rc == STORE_AWAY) {
        PQfinish(e->pg);
        e->pg = NULL;
    }
}

static void done_cb(struct control_job *job)
{
    struct errand *n = job->data;
    struct postgres_engine *e = n->engine;
    struct store_request *q = n->request;

    if (n->rc == STORE_AWAY)
        log_limited(LOG_LEVEL_WARN, "the database can't take the note \"%s\": %s", n->note.name,
                    n->error);
    else
        notes_take(e, &n->read);
    request_fail(q, n->rc);
    request_free(q);
    free(n);
    e->n_errands--;
    postgres_close_if_idle(e);
}

/* With copies of what it borrows. */
static struct errand *errand_new(const struct store_note *note)
{
    size_t name_len = strlen(note->name) + 1;
    struct errand *n = calloc(1, sizeof(*n) + name_len + note->len + note->was_len);
    char *bytes;

    if (n == NULL)
        return NULL;
    bytes = (char *)(n + 1);
    n->note = *note;
    n->note.name = memcpy(bytes, note->name, name_len);
    bytes += name_len;
    if (note->len > 0)
        n->note.value = memcpy(bytes, note->value, note->len);
    bytes += note->len;
    if (note->was_len > 0)
        n->note.was = memcpy(bytes, note->was, note->was_len);
    return n;
}

int notes_put(struct store *store, struct store_reading *reading, const struct store_note *note,
              store_put_note_cb done)
{
    struct postgres_engine *e = postgres_of(store);
    struct store_request *q;
    struct errand *n;

    assert(strlen(note->name) <= STORE_NOTE_NAME_MAX && note->len <= STORE_NOTE_MAX);
    if (e->options.only_reads)
        return UV_EROFS;
    n = errand_new(note);
    q = calloc(1, sizeof(*q));
    if (n == NULL || q == NULL) {
        free(n);
        free(q);
        return UV_ENOMEM;
    }
    *q = (struct store_request){
        .kind = REQUEST_NOTE, .engine = e, .reading = reading, .done.noted = done};
    reading->request = q;
    n->job = (struct control_job){.data = n, .run = run_cb, .done = done_cb};
    n->engine = e;
    n->request = q;
    e->n_errands++;
    control_add(&e->control, &n->job);
    return STORE_LATER;
}
