#include <stdio.h>

#include "index/http/meter.h"

/* The operation, what is `extra`, and an end. */
static void label(const struct meter_names *names, unsigned kind, struct exposition_label labels[4],
                  const struct exposition_label *extra)
{
    unsigned n = 0;

    if (names->api != NULL)
        labels[n++] = (struct exposition_label){"api", names->api(kind)};
    labels[n++] = (struct exposition_label){"operation", names->operation(kind)};
    if (extra != NULL)
        labels[n++] = *extra;
    labels[n] = (struct exposition_label){.name = NULL};
}

static bool is_used(const struct meter_kind *kind)
{
    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        if (kind->latencies.counts[i] > 0)
            return true;
    }
    return false;
}

static void add_statuses(const struct meter_kind *kind, const struct meter_names *names,
                         unsigned number, struct exposition *e)
{
    struct exposition_label labels[4];
    char code[16];
    const struct exposition_label extra = {"code", code};

    for (unsigned i = 0; i < METER_STATUSES; i++) {
        if (kind->statuses[i] == 0)
            continue;
        snprintf(code, sizeof(code), "%u", METER_STATUS_FIRST + i);
        label(names, number, labels, &extra);
        exposition_add(e, labels, kind->statuses[i], 1);
    }
}

static void add_latencies(const struct meter_kind *kind, const struct meter_names *names,
                          unsigned number, struct exposition *e)
{
    struct exposition_label labels[4];

    label(names, number, labels, NULL);
    exposition_add_histogram(e, labels, &kind->latencies);
}

static void add_received(const struct meter_kind *kind, const struct meter_names *names,
                         unsigned number, struct exposition *e)
{
    struct exposition_label labels[4];

    label(names, number, labels, NULL);
    exposition_add(e, labels, kind->bytes_in, 1);
}

static void add_sent(const struct meter_kind *kind, const struct meter_names *names,
                     unsigned number, struct exposition *e)
{
    struct exposition_label labels[4];

    label(names, number, labels, NULL);
    exposition_add(e, labels, kind->bytes_out, 1);
}

void meter_expose(const struct meter *meter, const struct meter_names *names, struct exposition *e)
{
    static const struct {
        const char *suffix;
        const char *type;
        const char *help;
        void (*add)(const struct meter_kind *kind, const struct meter_names *names, unsigned number,
                    struct exposition *e);
    } families[] = {
        {"requests_total", "counter",
         "Requests that were answered, by the status of mkv's own answer; 499 is a client that "
         "went "
         "before. A read that nginx asks for again, since a volume failed it, counts again.",
         add_statuses},
        {"request_seconds", "histogram",
         "From the end of a request's head to the end of the answer, an upload's body included.",
         add_latencies},
        {"received_bytes_total", "counter", "Bytes of bodies, of PUTs above all.", add_received},
        {"sent_bytes_total", "counter",
         "Bytes of answers' bodies. What a GET reads comes from a volume by nginx, and isn't among "
         "them.",
         add_sent},
    };
    char name[64];

    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        snprintf(name, sizeof(name), "%s_%s", names->prefix, families[i].suffix);
        exposition_begin(e, name, families[i].type, families[i].help);
        for (unsigned kind = 0; kind < names->n; kind++) {
            if (is_used(&meter->kinds[kind]))
                families[i].add(&meter->kinds[kind], names, kind, e);
        }
    }
}
