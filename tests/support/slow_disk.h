/* A disk whose flushes a test can hold back, and let fail. For programs that are linked with
 * -Wl,--wrap=fdatasync -Wl,--wrap=pwritev: then what the store does to its journal goes by here. */
#ifndef MKV_TESTS_SUPPORT_SLOW_DISK_H
#define MKV_TESTS_SUPPORT_SLOW_DISK_H

#include <stdbool.h>

/* From now on fdatasync() waits, or not; and ends with EIO, or not. What waits goes on with `held`
 * false. */
void slow_disk_set(bool held, bool fails);

/* From now on pwritev() ends with ENOSPC, or not. */
void slow_disk_refuse_writes(bool refuses);

/* Whether an fdatasync() waits. */
bool slow_disk_waits(void);

#endif
