/* What a volume says about a blob that it was asked to make: the answer to POST /_mkv/assemble
 * (launcher/volume/assemble.h), which comes in pieces. */
#ifndef MKV_CLUSTER_ASSEMBLE_ANSWER_H
#define MKV_CLUSTER_ASSEMBLE_ANSWER_H

#include "index/base/md5.h"
#include "index/cluster/answer_lines.h"

/* Its last word. */
enum assemble_word {
    ASSEMBLE_WORD_MISSING,
    ASSEMBLE_WORD_DONE,
    ASSEMBLE_WORD_NONE,  /* not all sources are there */
    ASSEMBLE_WORD_FULL,  /* the disk is */
    ASSEMBLE_WORD_ERROR, /* something else has failed */
};

/* All zero at first, but for the name. */
struct assemble_answer {
    const char *volume; /* its name, for the log; borrowed */
    enum assemble_word word;
    bool has_md5;
    unsigned char md5[MD5_SIZE]; /* RFC 1321 */
    struct answer_lines lines;
};

/* Takes the next bytes. Once answer->lines.is_bad, they make no sense, whatever the word is. */
void assemble_answer_add(struct assemble_answer *answer, const char *bytes, size_t n);

void assemble_answer_deinit(struct assemble_answer *answer);

#endif
