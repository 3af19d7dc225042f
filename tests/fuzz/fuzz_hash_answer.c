/* Whatever a volume says of blobs: the lines that make sense are taken, up to the first that
 * doesn't, and where the answer is cut into pieces makes no difference. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/hex.h"
#include "index/cluster/hash_internal.h"

#define FILES 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct said {
    struct hash_answer answer;
    struct hash files[FILES];
    struct hash *list[FILES];
};

static void read_it(struct said *said, const uint8_t *data, size_t size, size_t piece)
{
    static char lines[FILES][32] = {"/5d/41/aGVsbG8=\n", "/a\n", "/a/b\n"};

    memset(said, 0, sizeof(*said));
    for (unsigned i = 0; i < FILES; i++) {
        said->files[i].line = lines[i];
        said->list[i] = &said->files[i];
    }
    said->answer = (struct hash_answer){.files = said->list, .n = FILES};
    for (size_t at = 0; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        char *bytes = malloc(n); /* not a byte more: the sanitizer watches the rest */

        if (bytes == NULL)
            abort();
        memcpy(bytes, data + at, n);
        hash_answer_add(&said->answer, bytes, n);
        free(bytes);
    }
    answer_lines_deinit(&said->answer.lines);
}

static void check_file(const struct said *said, unsigned i, const uint8_t *data, size_t size)
{
    const struct hash *file = &said->files[i];
    char line[128];
    char md5[2 * MD5_SIZE + 1];

    if (file->is_found && i >= said->answer.at)
        abort();
    if (!file->is_found && i < said->answer.at && !said->answer.lines.is_bad)
        abort();
    if (!file->is_found || file->found != HASH_READ)
        return;
    hex_write(file->md5, MD5_SIZE, md5);
    snprintf(line, sizeof(line), "%s", md5);
    if (memmem(data, size, line, strlen(line)) == NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct said whole;
    struct said cut;

    read_it(&whole, data, size, size + 1);
    read_it(&cut, data, size, size > 0 ? data[0] % 40 + 1 : 1);
    for (unsigned i = 0; i < FILES; i++) {
        check_file(&whole, i, data, size);
        if (whole.files[i].is_found != cut.files[i].is_found ||
            whole.files[i].found != cut.files[i].found ||
            whole.files[i].size != cut.files[i].size ||
            (whole.files[i].is_found &&
             memcmp(whole.files[i].md5, cut.files[i].md5, MD5_SIZE) != 0))
            abort();
    }
    if (whole.answer.at != cut.answer.at || whole.answer.lines.is_bad != cut.answer.lines.is_bad)
        abort();
    return 0;
}
