/* Whatever a volume says of what it was asked to make: it comes to one of a few ends, "done" only
 * by a line that says so, and where the answer is cut into pieces makes no difference. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/cluster/assemble.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_it(struct assemble *a, const uint8_t *data, size_t size, size_t piece)
{
    static struct volume volume = {.name = "a:1"};

    memset(a, 0, sizeof(*a));
    a->volume = &volume;
    for (size_t at = 0; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        char *bytes = malloc(n); /* not a byte more: the sanitizer watches the rest */

        if (bytes == NULL)
            abort();
        memcpy(bytes, data + at, n);
        assemble_read(a, bytes, n);
        free(bytes);
    }
    answer_lines_deinit(&a->lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct assemble whole;
    static struct assemble cut;

    log_set_level(LOG_LEVEL_ERROR);
    read_it(&whole, data, size, size + 1);
    read_it(&cut, data, size, size > 0 ? data[0] % 40 + 1 : 1);
    if (whole.verdict != 0 && whole.verdict != 201 && whole.verdict != 409 &&
        whole.verdict != 500 && whole.verdict != 507)
        abort();
    if (whole.verdict == 201 && memmem(data, size, "done", 4) == NULL)
        abort();
    if (whole.verdict != cut.verdict || whole.lines.is_bad != cut.lines.is_bad ||
        whole.has_md5 != cut.has_md5 || memcmp(whole.md5, cut.md5, MD5_SIZE) != 0)
        abort();
    return 0;
}
