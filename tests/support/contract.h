/* What the tests of an engine's contract share (tests/unit/test_contract_*.c): a fixture for each
 * test, and values to commit. The program's argument names the engine. */
#ifndef MKV_TESTS_SUPPORT_CONTRACT_H
#define MKV_TESTS_SUPPORT_CONTRACT_H

#include "tests/support/engine_box.h"
#include "tests/unit/test.h"

#define CONTRACT_VOLUMES 3

struct contract {
    struct engine_box box;
    uint32_t volumes[CONTRACT_VOLUMES]; /* ids, which all values here name */
    unsigned ended;                     /* of struct contract_try, so far */
};

/* A commit on its way. */
struct contract_try {
    struct store_commit commit;
    struct contract *c;
    unsigned place; /* in the order of their ends; 0: it hasn't ended */
    int rc;
};

/* What main() does: runs the tests on the engine that argv[1] names. */
int contract_main(int argc, char **argv, const char *name, const struct CMUnitTest *tests,
                  size_t n);

int contract_setup(void **state);
int contract_teardown(void **state);

#define CONTRACT_TEST(name) cmocka_unit_test_setup_teardown(name, contract_setup, contract_teardown)

/* Values that differ, each of one place and more. */
struct record contract_record(const struct contract *c, unsigned value);
struct orphan contract_orphan(const struct contract *c, unsigned value);

/* Changes without an expectation; a record or an orphan of NULL deletes. */
struct store_change contract_key(const char *key, const struct record *record);
struct store_change contract_orphan_of(const char *key, uint64_t generation,
                                       const struct orphan *orphan);

/* Commits one change that has to succeed. */
void contract_put(struct contract *c, const char *key, const struct record *record);
void contract_put_orphan(struct contract *c, const char *key, uint64_t generation,
                         const struct orphan *orphan);

/* Begins a commit, which has to start; and waits for its end. */
void contract_begin(struct contract *c, struct contract_try *try,
                    const struct store_change *changes, size_t n);
int contract_end(struct contract_try *try);

/* The key has this record, or none; so of an orphan. */
void contract_assert_has(struct contract *c, const char *key, const struct record *record);
void contract_assert_has_orphan(struct contract *c, const char *key, uint64_t generation,
                                const struct orphan *orphan);

#endif
