/* Where a copy of a blob lies: a volume, by the id that the store gave it, and a subvolume of that.
 */
#ifndef MKV_BASE_PLACE_H
#define MKV_BASE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#define PLACES_MAX  16   /* that a blob can have */
#define VOLUMES_MAX 1024 /* that an index knows */

struct place {
    uint32_t volume;
    bool has_subvolume; /* its path begins with "/svXX" */
    uint32_t subvolume; /* XX; 0 without one */
};

#endif
