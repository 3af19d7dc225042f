#include "launcher/volume/space.h"

#include <stdio.h>

void space_answer(struct http_request *http, const struct volume_finding *finding,
                  unsigned name_max)
{
    char text[VOLUME_REASON_SIZE + 160];
    int n = snprintf(text, sizeof(text), "{");

    if (finding->total > 0)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "\"total\":%llu,\"free\":%llu,",
                      finding->total, finding->free);
    if (name_max > 0)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "\"names\":%u,", name_max);
    n += snprintf(text + n, sizeof(text) - (size_t)n, "\"state\":\"%s\",\"reason\":\"%s\"}\n",
                  volume_condition_name(finding->condition), finding->reason);
    http_add_header(http, "Content-Type", "application/json");
    http_respond(http, 200, text, (size_t)n);
}
