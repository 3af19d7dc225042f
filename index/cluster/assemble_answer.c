#include "index/cluster/assemble_answer.h"

#include <string.h>

#include "index/base/hex.h"
#include "index/base/log.h"

static bool read_done(struct assemble_answer *a, const char *line)
{
    if (strncmp(line, "done", 4) != 0 || (line[4] != '\0' && line[4] != '\t'))
        return false;
    a->has_md5 = line[4] == '\t';
    return !a->has_md5 || (hex_read(line + 5, a->md5, MD5_SIZE) && line[5 + 2 * MD5_SIZE] == '\0');
}

/* A source that the volume hasn't got, or not as it should be. */
static bool is_source(const char *line)
{
    const char *tab = strchr(line, '\t');

    return *line == '/' && tab != NULL &&
           (strcmp(tab, "\tmissing") == 0 || strcmp(tab, "\tdiffers") == 0);
}

static enum assemble_word read_word(struct assemble_answer *a, const char *line)
{
    if (read_done(a, line))
        return ASSEMBLE_WORD_DONE;
    if (strcmp(line, "none") == 0)
        return ASSEMBLE_WORD_NONE;
    if (strncmp(line, "full\t", 5) == 0)
        return ASSEMBLE_WORD_FULL;
    if (strncmp(line, "error\t", 6) != 0)
        return ASSEMBLE_WORD_MISSING;
    log_limited(LOG_LEVEL_WARN, "volume %s can't make a blob: %s", a->volume, line + 6);
    return ASSEMBLE_WORD_ERROR;
}

/* Nothing comes after the last word. */
static bool take_line_cb(void *arg, const char *line)
{
    struct assemble_answer *a = arg;

    if (a->word != ASSEMBLE_WORD_MISSING)
        return false;
    if (*line == '\0')
        return true;
    if (is_source(line)) {
        log_limited(LOG_LEVEL_WARN, "volume %s can't make a blob: %s", a->volume, line);
        return true;
    }
    a->word = read_word(a, line);
    return a->word != ASSEMBLE_WORD_MISSING;
}

void assemble_answer_add(struct assemble_answer *a, const char *bytes, size_t n)
{
    answer_lines_add(&a->lines, bytes, n, take_line_cb, a);
}

void assemble_answer_deinit(struct assemble_answer *a)
{
    answer_lines_deinit(&a->lines);
}
