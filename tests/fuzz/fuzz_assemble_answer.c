/* Whatever a volume says of what it was asked to make: it comes to one of a few ends, "done" only
 * by a line that says so, and where the answer is cut into pieces makes no difference. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/cluster/assemble_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_it(struct assemble_answer *a, const uint8_t *data, size_t size, size_t piece)
{
    *a = (struct assemble_answer){.volume = "a:1"};
    for (size_t at = 0; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        char *bytes = malloc(n); /* not a byte more: the sanitizer watches the rest */

        if (bytes == NULL)
            abort();
        memcpy(bytes, data + at, n);
        assemble_answer_add(a, bytes, n);
        free(bytes);
    }
    assemble_answer_deinit(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct assemble_answer whole;
    static struct assemble_answer cut;

    log_set_level(LOG_LEVEL_ERROR);
    read_it(&whole, data, size, size + 1);
    read_it(&cut, data, size, size > 0 ? data[0] % 40 + 1 : 1);
    if (whole.word == ASSEMBLE_WORD_DONE && memmem(data, size, "done", 4) == NULL)
        abort();
    if (whole.word != cut.word || whole.lines.is_bad != cut.lines.is_bad ||
        whole.has_md5 != cut.has_md5 || memcmp(whole.md5, cut.md5, MD5_SIZE) != 0)
        abort();
    return 0;
}
