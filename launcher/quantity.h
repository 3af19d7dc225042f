/* Quantities as people write them, and as they read them. */
#ifndef MKV_LAUNCHER_QUANTITY_H
#define MKV_LAUNCHER_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "index/base/quantity.h"

/* Reads "500", "64K", "10M", "1G": a number over 0, and a factor of 1024, 1024^2, 1024^3 or none.
 * False for anything else, and for what doesn't fit in 63 bits. */
bool quantity_parse(const char *text, uint64_t *bytes);

#endif
