#include "index/admin/history.h"

#include <assert.h>

#include "index/base/operation.h"

/* HISTORY_SERIES: it is none of these, and its latency says nothing. */
static enum history_series series_of(unsigned kind)
{
    switch ((enum operation)kind) {
    case NATIVE_GET:
    case NATIVE_HEAD:
    case S3_GET_OBJECT:
    case S3_HEAD_OBJECT:
    case S3_HEAD_BUCKET:
    case S3_GET_BUCKET_PROPERTY:
    case S3_GET_OBJECT_PROPERTY:
        return HISTORY_READS;
    case NATIVE_LIST:
    case S3_LIST_BUCKETS:
    case S3_LIST_OBJECTS:
    case S3_LIST_VERSIONS:
    case S3_LIST_UPLOADS:
    case S3_LIST_PARTS:
        return HISTORY_LISTS;
    case NATIVE_DELETE:
    case NATIVE_UNLINK:
    case S3_DELETE_BUCKET:
    case S3_DELETE_OBJECT:
    case S3_DELETE_OBJECTS:
    case S3_ABORT_UPLOAD:
        return HISTORY_DELETES;
    case NATIVE_PUT:
    case NATIVE_REBALANCE:
    case S3_PUT_ACL:
    case S3_CREATE_BUCKET:
    case S3_PUT_OBJECT:
    case S3_COPY_OBJECT:
    case S3_CREATE_UPLOAD:
    case S3_UPLOAD_PART:
    case S3_UPLOAD_PART_COPY:
    case S3_COMPLETE_UPLOAD:
        return HISTORY_WRITES;
    case OPERATION_OTHER:
    case OPERATION_HEALTH:
    case NATIVE_OTHER:
    case S3_OTHER:
    case OPERATIONS:
        break;
    }
    return HISTORY_SERIES;
}

void history_sum(const struct meter *meter, struct history_totals *totals)
{
    *totals = (struct history_totals){.counts = {0}};
    for (unsigned kind = 0; kind < METER_KINDS; kind++) {
        const struct meter_kind *counted = &meter->kinds[kind];
        enum history_series series = series_of(kind);

        if (series == HISTORY_SERIES)
            continue;
        for (unsigned i = 0; i < METER_STATUSES; i++) {
            totals->counts[series] += counted->statuses[i];
            if (METER_STATUS_FIRST + i >= 500)
                totals->counts[HISTORY_ERRORS] += counted->statuses[i];
        }
        for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
            totals->latency.counts[i] += counted->latencies.counts[i];
    }
}

static uint32_t narrow(uint64_t n)
{
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* The us that `part` of all that was counted between the two had at most: within a range they count
 * as spread evenly, beyond the last bound as at it. 0 for none. */
static uint64_t quantile(const struct histogram *before, const struct histogram *now, double part)
{
    uint64_t low = 0;
    uint64_t n = 0;
    double wanted;

    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
        n += now->counts[i] - before->counts[i];
    wanted = part * (double)n;
    for (unsigned i = 0; n > 0 && i < HISTOGRAM_BOUNDS; i++) {
        double in = (double)(now->counts[i] - before->counts[i]);
        uint64_t high = histogram_bounds[i];

        if (in > 0 && in >= wanted)
            return (low + (uint64_t)((double)(high - low) * wanted / in)) / 1000;
        wanted -= in;
        low = high;
    }
    return n > 0 ? low / 1000 : 0;
}

void history_add(struct history *h, const struct history_totals *totals)
{
    uint32_t *sample = h->samples[h->n % HISTORY_SAMPLES];

    for (unsigned i = 0; i < HISTORY_COUNTS; i++)
        sample[i] = narrow(totals->counts[i] - h->last.counts[i]);
    sample[HISTORY_P50] = narrow(quantile(&h->last.latency, &totals->latency, 0.5));
    sample[HISTORY_P99] = narrow(quantile(&h->last.latency, &totals->latency, 0.99));
    h->n++;
    h->last = *totals;
}

size_t history_count(const struct history *h)
{
    return h->n < HISTORY_SAMPLES ? h->n : HISTORY_SAMPLES;
}

uint32_t history_at(const struct history *h, enum history_series series, size_t ago)
{
    assert(ago < history_count(h));
    return h->samples[(h->n - 1 - ago) % HISTORY_SAMPLES][series];
}
