#include <assert.h>
#include <string.h>

#include "index/maintenance/drain.h"
#include "index/maintenance/forget.h"
#include "index/maintenance/heal.h"
#include "index/maintenance/job.h"
#include "index/maintenance/rebalance.h"
#include "index/maintenance/scrub.h"
#include "index/maintenance/verify.h"

static const struct job_type *const types[] = {&rebalance_type, &drain_type, &forget_type,
                                               &verify_type,    &heal_type,  &scrub_type};

static_assert(sizeof(types) / sizeof(types[0]) == JOB_TYPES, "all of them are counted");

const struct job_type *job_type_at(size_t i)
{
    return types[i];
}

const struct job_type *job_type_find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strlen(types[i]->name) == len && memcmp(types[i]->name, name, len) == 0)
            return types[i];
    }
    return NULL;
}
