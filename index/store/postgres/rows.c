/* What the rows of a result hold. */
#include "index/base/log.h"
#include "index/store/postgres/internal.h"

const char *rows_value(const PGresult *result, int row, int column, size_t *n)
{
    if (PQgetisnull(result, row, column))
        return NULL;
    *n = (size_t)PQgetlength(result, row, column);
    return PQgetvalue(result, row, column);
}

uint64_t rows_number(const PGresult *result, int row, int column)
{
    size_t n;
    const char *value = rows_value(result, row, column, &n);

    return value != NULL && n == 8 ? load_be64(value) : 0;
}

static int damaged(const char *what, int rc, const void *key, size_t len)
{
    log_limited(LOG_LEVEL_ERROR, "the database holds %s %s: key \"%.*s\"", what,
                rc == -ENOTSUP ? "of a newer mkv" : "that is damaged", (int)len, (const char *)key);
    return UV_EIO;
}

/* What another index has given an id since the names were read last has no name here yet. */
static bool has_names(const struct rows *rows, const struct place *places, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (places[i].volume >= rows->engine->volumes.count && !rows->is_named)
            return false;
    }
    return true;
}

int rows_record(const struct rows *rows, int row, int column, const void *key, size_t len,
                struct record *record)
{
    size_t n;
    const char *value = rows_value(rows->result, row, column, &n);
    int rc;

    if (value == NULL)
        return UV_ENOENT;
    rc = record_decode_beside((const unsigned char *)value, n,
                              rows_number(rows->result, row, column + 1), record);
    if (rc < 0)
        return damaged("a record", rc, key, len);
    return has_names(rows, record->places, record->n_places) ? 0 : STORE_LATER;
}

int rows_orphan(const struct rows *rows, int row, int column, const void *key, size_t len,
                struct orphan *orphan)
{
    size_t n;
    const char *value = rows_value(rows->result, row, column, &n);
    int rc;

    if (value == NULL)
        return UV_ENOENT;
    rc = orphan_decode((const unsigned char *)value, n, orphan);
    if (rc < 0)
        return damaged("an orphan", rc, key, len);
    return has_names(rows, orphan->places, orphan->n_places) ? 0 : STORE_LATER;
}

int rows_view(const struct rows *rows, int row, int column, const void *key, size_t len,
              struct store_view *view)
{
    int rc = rows_record(rows, row, column, key, len, &view->record);

    if (rc != 0 && rc != UV_ENOENT)
        return rc;
    store_view_begin(view, rc == 0);
    rc = rows_orphan(rows, row, column + 2, key, len, &view->orphan);
    if (rc == UV_ENOENT)
        view->orphan.n_places = 0;
    view->latest = rows_number(rows->result, row, column + 3);
    return rc == UV_ENOENT ? 0 : rc;
}
