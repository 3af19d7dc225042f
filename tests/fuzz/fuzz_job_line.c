/* Any line of a job's stream: what is taken can be shown in one row of a terminal. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/commands/progress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            abort();
    }
}

static void check_line(const struct job_line *line)
{
    struct progress p = {.has_line = false};
    char text[PROGRESS_TEXT_MAX];

    progress_add(&p, line);
    progress_guess(&p, line);
    for (unsigned columns = 1; columns < 200; columns += 13) {
        progress_bar(&p, line, columns, text);
        if (*text != '\0' && strlen(text) >= columns)
            abort();
        check_row(text);
    }
    check_row(progress_sentence(&p, line, text));
    check_row(line->text);
}

static void check_finding(const json_t *json)
{
    struct buf text = {0};

    if (job_line_append_finding(&text, json) == 0 &&
        (buf_size(&text) == 0 || (const char *)memchr(buf_bytes(&text), '\n', buf_size(&text)) !=
                                     buf_bytes(&text) + buf_size(&text) - 1))
        abort();
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct job_line line;

    if (json == NULL)
        return 0;
    if (job_line_read(json, &line) == 0)
        check_line(&line);
    else
        check_finding(json);
    json_decref(json);
    return 0;
}
