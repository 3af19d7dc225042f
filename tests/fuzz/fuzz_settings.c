/* Any bytes as an index's settings: what is taken is written the same way, and says the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/server.h"
#include "launcher/commands/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const char *path, const char *other)
{
    return path == NULL || other == NULL ? path == other : strcmp(path, other) == 0;
}

static void check_again(const struct settings *s)
{
    const struct index_server_options options = {.copies = s->replicas,
                                                 .subvolumes = s->subvolumes,
                                                 .grace_ms = s->grace_ms,
                                                 .sync = s->sync,
                                                 .md5 = s->md5,
                                                 .secret_file = s->secret_file,
                                                 .tls_paths = s->tls};
    struct settings again = {.replicas = 0};
    char problem[SETTINGS_TEXT_MAX];
    struct buf text = {0};

    if (settings_append(&text, &options, s->volumes.entries, s->volumes.count) < 0 ||
        settings_parse(buf_bytes(&text), buf_size(&text), &again, problem) != NULL ||
        again.replicas != s->replicas || again.subvolumes != s->subvolumes ||
        again.grace_ms != s->grace_ms || again.sync != s->sync || again.md5 != s->md5 ||
        again.volumes.count != s->volumes.count || !is_same(again.secret_file, s->secret_file) ||
        !is_same(again.tls.authorities, s->tls.authorities) ||
        !is_same(again.tls.certificate, s->tls.certificate) || !is_same(again.tls.key, s->tls.key))
        abort();
    for (size_t i = 0; i < s->volumes.count; i++) {
        const struct volume_entry *a = &s->volumes.entries[i];
        const struct volume_entry *b = &again.volumes.entries[i];

        if (strcmp(a->name, b->name) != 0 || strcmp(a->zone, b->zone) != 0 ||
            a->weight != b->weight)
            abort();
    }
    buf_deinit(&text);
    settings_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings settings = {.replicas = 0};
    char problem[SETTINGS_TEXT_MAX];
    char *text = malloc(size > 0 ? size : 1); /* not a byte more: the sanitizer watches the rest */
    const char *bad;

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    bad = settings_parse(text, size, &settings, problem);
    free(text);
    if (bad == NULL)
        check_again(&settings);
    else if (strnlen(bad, SETTINGS_TEXT_MAX) == SETTINGS_TEXT_MAX)
        abort();
    settings_deinit(&settings);
    return 0;
}
