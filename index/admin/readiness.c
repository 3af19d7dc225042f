#include "index/admin/readiness.h"

#include <stdio.h>

static bool has_live_volume(const struct objects *objects)
{
    struct volumes *volumes = places_volumes(objects->places);

    for (size_t i = 0; i < volumes_count(volumes); i++) {
        if (volume_is_live(volumes_at(volumes, i)))
            return true;
    }
    return false;
}

bool readiness_check(const struct admin *admin, char why[READINESS_TEXT_MAX])
{
    const char *problem = NULL;
    const char *detail = "";
    struct store_stats stats;

    store_stats(admin->objects->store, &stats);
    if (admin->is_stopping) {
        problem = "it stops";
    } else if (!admin->has_settled) {
        problem = "it starts: its volumes haven't answered yet";
    } else if (stats.is_away) {
        problem = "its database can't be reached";
    } else if (admin->objects->store->is_prompt && stats.journal_error != 0 &&
               stats.journal_error != UV_ENOSPC) {
        problem = "its journal can't be written: ";
        detail = uv_strerror(stats.journal_error);
    } else if (stats.is_short) {
        problem = "its disk is nearly full: only deletes are taken";
    } else if (!has_live_volume(admin->objects)) {
        problem = "none of its volumes can be asked";
    }
    if (problem != NULL)
        snprintf(why, READINESS_TEXT_MAX, "%s%s\n", problem, detail);
    return problem == NULL;
}
