/* Any preconditions: the input is lines, each a letter for the header's name and then its value.
 * Good lines of one list mean what one line means that joins them by commas. A read and a write
 * have the same outcome, but where the client of the read has the value. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/http/conditions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *name_of(char letter)
{
    switch (letter) {
    case 'm':
        return "If-Match";
    case 'n':
        return "If-None-Match";
    case 's':
        return "If-Modified-Since";
    case 'u':
        return "If-Unmodified-Since";
    default:
        return "If-Range";
    }
}

/* All values of the lines that begin with the letter, joined. */
static char *join(const char *lines, char letter, size_t size)
{
    char *joined = calloc(1, 2 * size + 2);
    const char *end;

    if (joined == NULL)
        abort();
    for (; *lines != '\0'; lines = end + (*end == '\n')) {
        end = lines + strcspn(lines, "\n");
        if (*lines != letter)
            continue;
        strncat(joined, lines + 1, (size_t)(end - lines) - 1);
        strcat(joined, ",");
    }
    return joined;
}

static void add_lines(struct conditions *conditions, char *lines)
{
    char *rest = NULL;

    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        conditions_add(conditions, name_of(line[0]), line + 1);
}

static void check(const struct conditions_target *target, const char *text, size_t size)
{
    struct conditions apart;
    struct conditions joined;
    char *lines = strdup(text);
    char *match = join(text, 'm', size);
    char *none_match = join(text, 'n', size);
    enum conditions_outcome read;
    enum conditions_outcome write;

    if (lines == NULL)
        abort();
    conditions_init(&apart, target);
    add_lines(&apart, lines);
    joined = apart;
    memset(&joined.match, 0, sizeof(joined.match));
    memset(&joined.none_match, 0, sizeof(joined.none_match));
    if (apart.match.given)
        conditions_add(&joined, "If-Match", match);
    if (apart.none_match.given)
        conditions_add(&joined, "If-None-Match", none_match);
    read = conditions_outcome(&apart, true);
    write = conditions_outcome(&apart, false);
    if (read != CONDITIONS_MALFORMED &&
        (read != conditions_outcome(&joined, true) || write != conditions_outcome(&joined, false)))
        abort();
    if (write == CONDITIONS_NOT_MODIFIED ||
        (read == CONDITIONS_NOT_MODIFIED && apart.none_match.given && write != CONDITIONS_FAIL) ||
        (read != CONDITIONS_NOT_MODIFIED && read != write))
        abort();
    free(lines);
    free(match);
    free(none_match);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 1);

    if (text == NULL)
        abort();
    memcpy(text, data, size);
    check(&(struct conditions_target){.etag = "\"5d41\"", .modified = 784111777}, text, size);
    check(&(struct conditions_target){.etag = "\"1-2\"",
                                      .modified = CONDITIONS_NO_TIME,
                                      .volume_knows = true},
          text, size);
    check(&(struct conditions_target){.modified = CONDITIONS_NO_TIME}, text, size);
    check(&(struct conditions_target){.etag = "\"5d41\"",
                                      .modified = 784111777,
                                      .takes_bare_tags = true},
          text, size);
    free(text);
    return 0;
}
