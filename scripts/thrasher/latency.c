#include "scripts/thrasher/latency.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int latency_init(struct latency *l, size_t capacity)
{
    uint32_t *samples = calloc(capacity, sizeof(*samples));

    if (samples == NULL)
        return -ENOMEM;
    *l = (struct latency){.samples = samples, .capacity = capacity};
    return 0;
}

void latency_deinit(struct latency *l)
{
    free(l->samples);
}

void latency_add(struct latency *l, int64_t us)
{
    assert(l->n < l->capacity);
    l->samples[l->n++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

void latency_sort(struct latency *l)
{
    qsort(l->samples, l->n, sizeof(l->samples[0]), compare);
}

uint32_t latency_percentile(const struct latency *l, unsigned percent)
{
    size_t rank = (l->n * percent + 99) / 100;

    return l->n == 0 ? 0 : l->samples[rank > 0 ? rank - 1 : 0];
}
