#include "index/admin/metrics.h"

static void add(const struct volume *volume, struct exposition *e, uint64_t value)
{
    const struct exposition_label labels[] = {{"volume", volume->name}, {.name = NULL}};

    exposition_add(e, labels, value, 1);
}

static void add_up(const struct volume *volume, struct exposition *e)
{
    add(volume, e, volume_is_live(volume));
}

static void add_state(const struct volume *volume, struct exposition *e)
{
    const struct exposition_label labels[] = {{"volume", volume->name},
                                              {"state", volume_state_name(volume->state)},
                                              {"zone", volume->zone},
                                              {.name = NULL}};

    exposition_add(e, labels, 1, 1);
}

static void add_since(const struct volume *volume, struct exposition *e)
{
    const struct exposition_label labels[] = {{"volume", volume->name}, {.name = NULL}};

    exposition_add(e, labels, volume->since, EXPOSITION_MILLI);
}

static void add_used(const struct volume *volume, struct exposition *e)
{
    add(volume, e, volume->is_listed && !volume->is_drained);
}

static void add_free(const struct volume *volume, struct exposition *e)
{
    if (volume->total_bytes != UINT64_MAX && volume->free_bytes != UINT64_MAX)
        add(volume, e, volume->free_bytes);
}

static void add_size(const struct volume *volume, struct exposition *e)
{
    if (volume->total_bytes != UINT64_MAX)
        add(volume, e, volume->total_bytes);
}

static void add_errors(const struct volume *volume, struct exposition *e)
{
    add(volume, e, volume->errors);
}

static const struct {
    const char *name;
    const char *type;
    const char *help;
    void (*add)(const struct volume *volume, struct exposition *e);
} families[METRICS_VOLUME_FAMILIES] = {
    {"mkv_volume_up", "gauge", "1 when the volume can be asked for what it holds, else 0.", add_up},
    {"mkv_volume_state", "gauge",
     "Always 1; the label says the state: up, full, read-only, down or unknown.", add_state},
    {"mkv_volume_state_since_timestamp_seconds", "gauge",
     "Since when the volume is in its state, since 1970; 0 before its first answer.", add_since},
    {"mkv_volume_used", "gauge",
     "1 when new values may go there; 0 of a volume that was drained or is no longer listed.",
     add_used},
    {"mkv_volume_free_bytes", "gauge", "Bytes free on the volume's disk, as it said last.",
     add_free},
    {"mkv_volume_size_bytes", "gauge", "Bytes of the volume's disk, likewise.", add_size},
    {"mkv_volume_errors_total", "counter",
     "Requests that the volume failed: no answer, 403 or 5xx.", add_errors},
};

void metrics_begin_volumes(size_t i, bool goes_on, struct exposition *e)
{
    if (goes_on)
        e->name = families[i].name;
    else
        exposition_begin(e, families[i].name, families[i].type, families[i].help);
}

void metrics_of_volume(size_t i, const struct volume *volume, struct exposition *e)
{
    families[i].add(volume, e);
}
