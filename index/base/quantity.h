/* Quantities as people read them. */
#ifndef MKV_BASE_QUANTITY_H
#define MKV_BASE_QUANTITY_H

#include <stdint.h>

#define QUANTITY_TEXT_MAX 32

/* "1.5 MiB", in steps of 1024. Returns `text`. */
const char *quantity_size(double bytes, char text[QUANTITY_TEXT_MAX]);

/* "2 min 5 s"; what is below 0 counts as 0. Returns `text`. */
const char *quantity_duration(int64_t ms, char text[QUANTITY_TEXT_MAX]);

/* "4.2" or "1234". Returns `text`. */
const char *quantity_rate(double per_second, char text[QUANTITY_TEXT_MAX]);

#endif
