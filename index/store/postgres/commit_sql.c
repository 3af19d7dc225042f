/* One statement, each change a part of it (a data-modifying WITH), so that a batch takes one round
 * trip and is one transaction. The last SELECT counts what the parts have changed, and fails,
 * and with it everything, where that isn't all. */
#include "index/store/postgres/commit_sql.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/buf.h"
#include "index/store/postgres/internal.h"

/* @A stands for the arrays of the kind, unnest($n::bytea[], ...), and @K for that of its keys. */
static const struct kind {
    const char *name; /* of the part whose rows are counted */
    unsigned columns;
    const char *alias; /* of the columns */
    const char *sql;
} kinds[CHANGE_KINDS] = {
    [KEY_INSERT] = {"ki", 1U << COLUMN_KEY | 1U << COLUMN_GEN | 1U << COLUMN_IS, "key, gen, val",
                    "ki AS (INSERT INTO keys (key, gen, rec) SELECT u.key, u.gen, u.val FROM @A)"},
    [KEY_UPDATE] = {"ku",
                    1U << COLUMN_KEY | 1U << COLUMN_GEN | 1U << COLUMN_WAS | 1U << COLUMN_IS |
                        1U << COLUMN_WAS_GEN,
                    "key, gen, was, val, was_gen",
                    "ku AS (UPDATE keys k SET gen = u.gen, rec = u.val FROM @A "
                    "WHERE k.key = ANY(@K) AND k.key = u.key AND k.gen = u.was_gen "
                    "AND k.rec = u.was RETURNING 1)"},
    [KEY_DELETE] = {"kd", 1U << COLUMN_KEY | 1U << COLUMN_WAS | 1U << COLUMN_WAS_GEN,
                    "key, was, was_gen",
                    "kd AS (DELETE FROM keys k USING @A WHERE k.key = ANY(@K) AND k.key = u.key "
                    "AND k.gen = u.was_gen AND k.rec = u.was RETURNING 1)"},
    [KEY_SET] = {"ks", 1U << COLUMN_KEY | 1U << COLUMN_GEN | 1U << COLUMN_IS, "key, gen, val",
                 "ko AS (SELECT k.key, k.gen, k.rec FROM keys k WHERE k.key = ANY(@K) FOR UPDATE), "
                 "kt AS (UPDATE keys k SET gen = u.gen, rec = u.val FROM @A "
                 "JOIN ko ON ko.key = u.key WHERE k.key = ANY(@K) AND k.key = u.key "
                 "AND k.gen = ko.gen AND k.rec = ko.rec RETURNING 1), "
                 "kn AS (INSERT INTO keys (key, gen, rec) SELECT u.key, u.gen, u.val FROM @A "
                 "WHERE NOT EXISTS (SELECT 1 FROM ko WHERE ko.key = u.key) "
                 "ORDER BY u.key ON CONFLICT DO NOTHING RETURNING 1), "
                 "ks AS (SELECT 1 FROM kt UNION ALL SELECT 1 FROM kn)"},
    [KEY_UNSET] = {"kx", 1U << COLUMN_KEY, "key",
                   "kx AS (DELETE FROM keys k WHERE k.key = ANY(@K) RETURNING k.rec)"},
    [KEY_ABSENT] = {"ka", 1U << COLUMN_KEY, "key",
                    "ka AS (SELECT 1 FROM keys k WHERE k.key = ANY(@K))"},
    [ORPHAN_INSERT] = {"oi",
                       1U << COLUMN_KEY | 1U << COLUMN_GEN | 1U << COLUMN_IS | 1U << COLUMN_TIME,
                       "key, gen, val, time",
                       "oi AS (INSERT INTO orphans (key, gen, owner, time, orphan) "
                       "SELECT u.key, u.gen, $4::int8, u.time, u.val FROM @A)"},
    [ORPHAN_UPDATE] = {"ou",
                       1U << COLUMN_KEY | 1U << COLUMN_GEN | 1U << COLUMN_WAS | 1U << COLUMN_IS |
                           1U << COLUMN_TIME,
                       "key, gen, was, val, time",
                       "ou AS (UPDATE orphans o SET owner = $4::int8, held = abs(o.held), "
                       "time = u.time, orphan = u.val FROM @A WHERE o.key = ANY(@K) AND o.key = "
                       "u.key AND o.gen = u.gen "
                       "AND o.orphan = u.was RETURNING 1)"},
    [ORPHAN_DELETE] =
        {"od", 1U << COLUMN_KEY | 1U << COLUMN_GEN | 1U << COLUMN_WAS, "key, gen, was",
         "od AS (DELETE FROM orphans o USING @A WHERE o.key = ANY(@K) AND o.key = u.key "
         "AND o.gen = u.gen AND o.orphan = u.was RETURNING 1)"},
    [ORPHAN_SET] = {"os", 1U << COLUMN_KEY | 1U << COLUMN_GEN | 1U << COLUMN_IS | 1U << COLUMN_TIME,
                    "key, gen, val, time",
                    "ot AS (UPDATE orphans o SET owner = $4::int8, held = abs(o.held), "
                    "time = u.time, orphan = u.val FROM @A WHERE o.key = ANY(@K) AND o.key = u.key "
                    "AND o.gen = u.gen "
                    "RETURNING o.key, o.gen), "
                    "og AS (INSERT INTO orphans (key, gen, owner, time, orphan) "
                    "SELECT u.key, u.gen, $4::int8, u.time, u.val FROM @A "
                    "WHERE NOT EXISTS (SELECT 1 FROM ot WHERE ot.key = u.key AND ot.gen = u.gen) "
                    "ORDER BY u.key, u.gen ON CONFLICT DO NOTHING RETURNING 1), "
                    "os AS (SELECT 1 FROM ot UNION ALL SELECT 1 FROM og)"},
    [ORPHAN_UNSET] =
        {"ox", 1U << COLUMN_KEY | 1U << COLUMN_GEN, "key, gen",
         "ox AS (DELETE FROM orphans o USING @A WHERE o.key = ANY(@K) AND o.key = u.key "
         "AND o.gen = u.gen RETURNING 1)"},
    [ORPHAN_ABSENT] = {"oa", 1U << COLUMN_KEY | 1U << COLUMN_GEN, "key, gen",
                       "oa AS (SELECT 1 FROM orphans o JOIN @A ON o.key = ANY(@K) AND "
                       "o.key = u.key AND o.gen = u.gen)"},
    [OWN_UPDATE] =
        {"wu", 1U << COLUMN_KEY | 1U << COLUMN_GEN | 1U << COLUMN_IS | 1U << COLUMN_TIME,
         "key, gen, val, time",
         "wu AS (UPDATE orphans o SET time = u.time, orphan = u.val FROM @A "
         "WHERE o.key = ANY(@K) AND o.key = u.key AND o.gen = u.gen AND o.owner = $4::int8 "
         "AND o.held >= 0 RETURNING 1)"},
    [OWN_DELETE] = {"wd", 1U << COLUMN_KEY | 1U << COLUMN_GEN, "key, gen",
                    "wd AS (DELETE FROM orphans o USING @A WHERE o.key = ANY(@K) AND o.key = u.key "
                    "AND o.gen = u.gen AND o.owner = $4::int8 "
                    "AND o.held >= 0 RETURNING 1)"},
};

/* What the counts change by beside what the caller knows: by changes that take whatever there is.
 */
#define UNLINKED(rec) "get_byte(" rec ", 1) & 1"

static const char *const unknown_keys[CHANGE_KINDS] = {
    [KEY_SET] = " - (SELECT count(*) FROM ko WHERE " UNLINKED("ko.rec") " = 0)",
    [KEY_UNSET] = " - (SELECT count(*) FROM kx WHERE " UNLINKED("kx.rec") " = 0)",
};
static const char *const unknown_unlinked[CHANGE_KINDS] = {
    [KEY_SET] = " - (SELECT count(*) FROM ko WHERE " UNLINKED("ko.rec") " = 1)",
    [KEY_UNSET] = " - (SELECT count(*) FROM kx WHERE " UNLINKED("kx.rec") " = 1)",
};
static const char *const unknown_orphans[CHANGE_KINDS] = {
    [ORPHAN_SET] = " + (SELECT count(*) FROM og)",
    [ORPHAN_UNSET] = " - (SELECT count(*) FROM ox)",
};

unsigned change_columns(enum change_kind kind)
{
    return kinds[kind].columns;
}

static const char *type_of(enum change_column column)
{
    return change_column_is_number(column) ? "int8[]" : "bytea[]";
}

/* unnest() of the kind's arrays, whose first parameter is `first`. */
static int add_arrays(struct buf *out, const struct kind *kind, unsigned first)
{
    const char *comma = "";
    int rc = buf_append_string(out, "unnest(");

    for (unsigned column = 0; column < CHANGE_COLUMNS && rc == 0; column++) {
        if (!(kind->columns >> column & 1))
            continue;
        rc = buf_append_format(out, "%s$%u::%s", comma, first++, type_of(column));
        comma = ", ";
    }
    return rc < 0 ? rc : buf_append_format(out, ") u(%s)", kind->alias);
}

static int add_part(struct buf *out, const struct kind *kind, unsigned first)
{
    const char *at = kind->sql;
    const char *mark;
    int rc = buf_append_string(out, ", ");

    while (rc == 0 && (mark = strchr(at, '@')) != NULL) {
        rc = buf_append(out, at, (size_t)(mark - at));
        if (rc == 0 && mark[1] == 'A')
            rc = add_arrays(out, kind, first);
        else if (rc == 0)
            rc = buf_append_format(out, "$%u::bytea[]", first);
        at = mark + 2;
    }
    return rc < 0 ? rc : buf_append_string(out, at);
}

static int add_unknown(struct buf *out, unsigned mask, const char *const unknown[CHANGE_KINDS])
{
    int rc = 0;

    for (unsigned i = 0; i < CHANGE_KINDS && rc == 0; i++) {
        if ((mask >> i & 1) && unknown[i] != NULL)
            rc = buf_append_string(out, unknown[i]);
    }
    return rc;
}

/* The session's row: its token says what the last statement was that was carried out. */
static int add_session(struct buf *out, unsigned mask)
{
    int rc = buf_append_string(out, ", s AS (UPDATE sessions SET token = $3::int8, "
                                    "keys = keys + $5::int8");

    if (rc == 0)
        rc = add_unknown(out, mask, unknown_keys);
    if (rc == 0)
        rc = buf_append_string(out, ", unlinked = unlinked + $6::int8");
    if (rc == 0)
        rc = add_unknown(out, mask, unknown_unlinked);
    if (rc == 0)
        rc = buf_append_string(out, ", orphans = orphans + $7::int8");
    if (rc == 0)
        rc = add_unknown(out, mask, unknown_orphans);
    if (rc == 0)
        rc = buf_append_string(out, " WHERE instance = $4::int8 AND idx = $1::int8 AND "
                                    "token = $2::int8 RETURNING keys, unlinked, orphans)");
    return rc;
}

static bool takes_anything(unsigned kind)
{
    return kind == KEY_SET || kind == ORPHAN_SET;
}

/* What is there already makes an INSERT fail by itself, and what is to be deleted need not be
 * there. */
static bool is_sure(unsigned kind)
{
    return kind == KEY_INSERT || kind == ORPHAN_INSERT || kind == KEY_UNSET || kind == ORPHAN_UNSET;
}

/* Whether all parts, of those that expect something or of the others, have changed all. */
static int add_part_check(struct buf *out, unsigned kind, unsigned first)
{
    if (kind == KEY_ABSENT || kind == ORPHAN_ABSENT)
        return buf_append_format(out, " AND (SELECT count(*) FROM %s) = 0", kinds[kind].name);
    return buf_append_format(
        out, " AND (SELECT count(*) FROM %s) = coalesce(cardinality($%u::bytea[]), 0)",
        kinds[kind].name, first);
}

static int add_check(struct buf *out, unsigned mask, const unsigned *firsts, bool of_anything)
{
    int rc = buf_append_string(out, "true");

    for (unsigned i = 0; i < CHANGE_KINDS && rc == 0; i++) {
        if (!(mask >> i & 1) || is_sure(i) || takes_anything(i) != of_anything)
            continue;
        rc = add_part_check(out, i, firsts[i]);
    }
    return rc;
}

static int add_end(struct buf *out, unsigned mask, const unsigned *firsts)
{
    int rc = buf_append_string(out, " SELECT s.keys, s.unlinked, s.orphans, 1 / (");

    if (rc == 0)
        rc = add_check(out, mask, firsts, false);
    if (rc == 0)
        rc = buf_append_string(out, ")::int, sqrt((");
    if (rc == 0)
        rc = add_check(out, mask, firsts, true);
    if (rc == 0)
        rc = buf_append_string(out, ")::int - 1), ln(((SELECT count(*) FROM s) * "
                                    "(SELECT count(*) FROM indexes WHERE instance = $4::int8 "
                                    "AND " LIVES "))::float8)");
    return rc;
}

#define TABLES " FROM (SELECT 1) one LEFT JOIN s ON true"

/* $8 has the keys. */
static_assert(COMMIT_HEAD == 7, "the first array is the next parameter");
static const char looks[] =
    ", v.i, v.rec, v.gen, v.orphan, v.latest" TABLES " LEFT JOIN (SELECT u.i, " VIEW_COLUMNS
    " FROM unnest($8::bytea[]) WITH ORDINALITY u(key, i) " VIEW_TABLES(
        "$8::bytea[]") ") v ON v.rec IS NOT NULL OR v.latest IS NOT NULL";

static char *make(unsigned mask, const char *tail)
{
    struct buf out = {0};
    unsigned firsts[CHANGE_KINDS];
    unsigned next = COMMIT_HEAD + 1;
    int rc = buf_append_string(&out, "WITH z AS (SELECT 1)");

    for (unsigned i = 0; i < CHANGE_KINDS && rc == 0; i++) {
        firsts[i] = next;
        if (!(mask >> i & 1))
            continue;
        rc = add_part(&out, &kinds[i], next);
        next += (unsigned)__builtin_popcount(kinds[i].columns);
    }
    if (rc == 0)
        rc = add_session(&out, mask);
    if (rc == 0)
        rc = add_end(&out, mask, firsts);
    if (rc == 0)
        rc = buf_append(&out, tail, strlen(tail) + 1);
    if (rc < 0) {
        buf_deinit(&out);
        return NULL;
    }
    return out.data;
}

char *commit_sql_make(unsigned mask)
{
    return make(mask, TABLES);
}

char *commit_sql_make_announcement(void)
{
    return make(1U << ORPHAN_INSERT, looks);
}
