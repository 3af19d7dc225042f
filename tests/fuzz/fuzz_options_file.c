/* Any bytes as a file of options, for `mkv index` and for `mkv volume`: what is taken leaves
 * operands and options that can be read. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/commands.h"
#include "launcher/options_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* More than any subcommand's struct has. */
#define TARGET_SIZE 8192

static void check_option(const struct option *o, const char *target)
{
    const char *text;

    if (o->set != option_set_string)
        return;
    memcpy(&text, target + o->offset, sizeof(text));
    if (text != NULL && (*text == '\0' || strlen(text) > OPTIONS_LINE_MAX))
        abort();
}

static void try(const struct command *command, const uint8_t *data, size_t size)
{
    struct options_file file = {.operands = NULL};
    char *target = calloc(1, TARGET_SIZE);

    if (target == NULL || buf_reserve(&file.text, size + 1) < 0)
        abort();
    if (size > 0)
        buf_append(&file.text, data, size);
    file.text.data[file.text.tail] = '\0';
    if (options_file_apply(&file, command, "file", target) == 0) {
        for (int i = 0; i < file.n_operands; i++) {
            if (file.operands[i][0] == '\0' || strlen(file.operands[i]) > OPTIONS_LINE_MAX)
                abort();
        }
        for (size_t i = 0; i < command->n_options; i++)
            check_option(&command->options[i], target);
    }
    options_file_deinit(&file);
    free(target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *null;
    FILE *real = stderr;

    if (null == NULL)
        null = fopen("/dev/null", "w");
    if (null == NULL)
        abort();
    stderr = null; /* each refusal is a line; what a sanitizer finds goes to the descriptor */
    try(&index_command, data, size);
    try(&volume_command, data, size);
    stderr = real;
    return 0;
}
