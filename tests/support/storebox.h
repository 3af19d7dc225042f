/* A store on a loop of its own, for programs that wait for each call, and files to spoil. What
 * can't fail in a sane test ends the program with a line on stderr. */
#ifndef MKV_TESTS_SUPPORT_STOREBOX_H
#define MKV_TESTS_SUPPORT_STOREBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "index/store/gdbm/gdbm_engine.h"

/* Ends the program unless `condition` holds, also in a release build. */
#define STOREBOX_CHECK(condition, ...)                                                             \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                        \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

struct storebox {
    uv_loop_t loop;
    char dir[128];
    bool temporary; /* the directory goes with the box */
    struct gdbm_engine_options options;
    struct store *store; /* NULL while closed */
};

/* The box of the store in `dir`, or of one in a new temporary directory if that is NULL. Closed. */
void storebox_init(struct storebox *box, const char *dir,
                   const struct gdbm_engine_options *options);

/* Closes an open store, checks that the loop is empty, and removes a temporary directory. */
void storebox_deinit(struct storebox *box);

/* What gdbm_engine_open() says. */
int storebox_open(struct storebox *box);

/* Closes the store and runs the loop until that is done. Nothing when it is closed. */
void storebox_close(struct storebox *box);

/* Runs the loop once; ends the program when it says that nothing can happen any more. */
void storebox_turn(struct storebox *box);

/* Each commits, runs the loop until that is done, and returns its result, or that of a commit that
 * could not start. */
int storebox_commit(struct storebox *box, const struct store_change *changes, size_t n);
int storebox_put(struct storebox *box, const void *key, size_t len, const struct record *record);
int storebox_delete(struct storebox *box, const void *key, size_t len);
int storebox_put_orphan(struct storebox *box, const void *key, size_t len, uint64_t generation,
                        const struct orphan *orphan);
int storebox_delete_orphan(struct storebox *box, const void *key, size_t len, uint64_t generation);

/* Runs the loop until no checkpoint runs, and returns how the last one ended. */
int storebox_checkpoint_wait(struct storebox *box);

/* Begins a checkpoint and waits for it; one that runs already is waited for before that. */
int storebox_checkpoint(struct storebox *box);

/* Makes a temporary directory for files that need not reach a disk: in $TMPDIR, else in memory
 * where there is such a place. Its path is under 40 bytes unless $TMPDIR is long. */
void storebox_make_scratch(char *path, size_t size, const char *name);

/* Copies the plain files of a directory into a new one, or removes one with its files. */
void storebox_copy_directory(const char *from, const char *to);
void storebox_remove_directory(const char *dir);

/* Replaces a file's bytes from `offset` on, or cuts it there; its size. */
void storebox_overwrite(const char *path, off_t offset, const void *bytes, size_t n);
void storebox_truncate(const char *path, off_t size);
off_t storebox_file_size(const char *path);

/* Where the last block of a journal's segment ends: zeros may follow, which were written ahead. */
off_t storebox_journal_end(const char *path);

/* Bytes on disk of all files of a directory. */
uint64_t storebox_disk_bytes(const char *dir);

/* Walks through all entries that the store keeps of keys (index/store/split.h): no piece of a
 * record is missing, and none was left over. */
void storebox_check_pieces(struct store *store);

/* Gives a record metadata of `len` bytes, which depend on that and on `seed`. */
void storebox_set_meta(struct record *record, unsigned len, uint64_t seed);

/* Byte order of keys, a shorter one first. */
int storebox_compare(const void *a, size_t a_len, const void *b, size_t b_len);

#endif
