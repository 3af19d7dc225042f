/* Numbers as Prometheus reads them: its text format 0.0.4, as "Exposition formats" of its
 * documentation describes it.
 *
 *     # HELP mkv_keys Keys that have a value.
 *     # TYPE mkv_keys gauge
 *     mkv_keys 3
 *
 * A family is begun, and then its samples are given, all in a row. */
#ifndef MKV_BASE_EXPOSITION_H
#define MKV_BASE_EXPOSITION_H

#include <stdbool.h>

#include "index/base/buf.h"
#include "index/base/histogram.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct exposition {
    struct buf *out;  /* borrowed; appended to */
    const char *name; /* of the family of the moment; borrowed until the next one */
    bool failed;      /* memory was short: what is in `out` is worth nothing */
};

/* A value may be any text, and what can't stand there is escaped: bytes that are no UTF-8 become
 * question marks. */
struct exposition_label {
    const char *name; /* NULL ends a list of them */
    const char *value;
};

/* `type` is "counter", "gauge" or "histogram"; `help` a sentence without a line's end. */
void exposition_begin(struct exposition *e, const char *name, const char *type, const char *help);

/* A sample of the family: `value` / `per`, so that 1500 per 1000 is 1.5. `per` is a power of ten up
 * to 10^9: what `value` counts, of what the metric's name says. `labels` may be NULL for none. */
#define EXPOSITION_MILLI 1000U
#define EXPOSITION_MICRO 1000000U
#define EXPOSITION_NANO  1000000000U
void exposition_add(struct exposition *e, const struct exposition_label *labels, uint64_t value,
                    unsigned per);

/* All samples of a histogram in seconds. At most EXPOSITION_LABELS_MAX labels. */
#define EXPOSITION_LABELS_MAX 4
void exposition_add_histogram(struct exposition *e, const struct exposition_label *labels,
                              const struct histogram *histogram);

/* A family of one sample without labels. */
void exposition_gauge(struct exposition *e, const char *name, const char *help, uint64_t value);
void exposition_counter(struct exposition *e, const char *name, const char *help, uint64_t value);

#endif
