/* The statement that makes a batch of changes, all of them or none. */
#ifndef MKV_POSTGRES_COMMIT_SQL_H
#define MKV_POSTGRES_COMMIT_SQL_H

#include <stdbool.h>
#include <stddef.h>

/* What a change does, by what it expects. Each kind has arrays of its own: key; generation; what
 * was; what is to be; time. */
enum change_kind {
    KEY_INSERT,    /* of a key that is missing: key, gen, rec */
    KEY_UPDATE,    /* key, gen, was, rec, what gen was */
    KEY_DELETE,    /* key, was, what gen was */
    KEY_SET,       /* whatever there is: key, gen, rec */
    KEY_UNSET,     /* key */
    KEY_ABSENT,    /* there is none, and there is to be none: key */
    ORPHAN_INSERT, /* key, gen, orphan, time */
    ORPHAN_UPDATE, /* key, gen, was, orphan, time */
    ORPHAN_DELETE, /* key, gen, was */
    ORPHAN_SET,    /* key, gen, orphan, time */
    ORPHAN_UNSET,  /* key, gen */
    ORPHAN_ABSENT, /* key, gen */
    OWN_UPDATE,    /* key, gen, orphan, time */
    OWN_DELETE,    /* key, gen */
    CHANGE_KINDS
};

enum change_column {
    COLUMN_KEY,
    COLUMN_GEN,
    COLUMN_WAS,
    COLUMN_IS,
    COLUMN_TIME,
    COLUMN_WAS_GEN,
    CHANGE_COLUMNS
};

/* Whether a column is of numbers; else it is of bytes. */
static inline bool change_column_is_number(unsigned column)
{
    return column == COLUMN_GEN || column == COLUMN_TIME || column == COLUMN_WAS_GEN;
}

/* Parameters before the arrays: the session's number, its token before and after, this index's
 * instance, and what the counts of keys, unlinked keys and orphans change by. */
#define COMMIT_HEAD 7

/* Which columns a kind has, as bits, in the order of their parameters. */
unsigned change_columns(enum change_kind kind);

/* Columns of the result that tell what has become of the changes: counts of the session, first. */
#define COMMIT_RESULT 6

/* Writes the statement for these kinds, a bit each, NULL without memory; to be freed. Its result is
 * one row of COMMIT_RESULT columns; or the error of SQLSTATE COMMIT_CONFLICT or COMMIT_TAKEN where
 * a change has met something else than it expects, COMMIT_LAPSED where the lease or the session
 * isn't this index's any more, COMMIT_RACE where it is to be tried again. */
char *commit_sql_make(unsigned mask);

/* The same of ORPHAN_INSERT alone, and it looks at the keys as they were before: there are more
 * rows, and in each more columns, which are a key's number in the arrays, from 1 on, and
 * VIEW_COLUMNS. Where there is nothing of a key no row has its number. */
char *commit_sql_make_announcement(void);

#define COMMIT_CONFLICT "22012" /* division by zero */
#define COMMIT_TAKEN    "23505" /* a row with that key exists */
#define COMMIT_LAPSED   "2201E" /* logarithm of zero */
#define COMMIT_RACE     "2201F" /* root of a negative number */

#endif
