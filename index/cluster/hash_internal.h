/* What the two halves of hash.h share: hash.c asks volumes, hash_answer.c reads what they say. */
#ifndef MKV_CLUSTER_HASH_INTERNAL_H
#define MKV_CLUSTER_HASH_INTERNAL_H

#include "index/cluster/answer_lines.h"
#include "index/cluster/hash.h"

/* What a volume says about these files, in their order. Set the first two, and zero the rest. */
struct hash_answer {
    struct hash **files; /* borrowed */
    unsigned n;
    unsigned at; /* the one whose line comes next */
    struct answer_lines lines;
};

/* Takes the next bytes: each file that has its line by then is_found. */
void hash_answer_add(struct hash_answer *answer, const char *bytes, size_t n);

/* Frees what it has; it is about no file any more. */
void hash_answer_deinit(struct hash_answer *answer);

#endif
