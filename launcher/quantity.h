/* Quantities as people read and write them. */
#ifndef MKV_LAUNCHER_QUANTITY_H
#define MKV_LAUNCHER_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

#define QUANTITY_TEXT_MAX 32

/* "1.5 MiB", in steps of 1024. Returns `text`. */
const char *quantity_size(double bytes, char text[QUANTITY_TEXT_MAX]);

/* "2 min 5 s"; what is below 0 counts as 0. Returns `text`. */
const char *quantity_duration(int64_t ms, char text[QUANTITY_TEXT_MAX]);

/* "4.2" or "1234". Returns `text`. */
const char *quantity_rate(double per_second, char text[QUANTITY_TEXT_MAX]);

/* Reads "500", "64K", "10M", "1G": a number over 0, and a factor of 1024, 1024^2, 1024^3 or none.
 * False for anything else, and for what doesn't fit in 63 bits. */
bool quantity_parse(const char *text, uint64_t *bytes);

#endif
