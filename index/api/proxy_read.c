#include "index/api/proxy_read.h"

#include <stdio.h>
#include <string.h>

#include "index/api/api.h"

bool proxy_read_is_wanted(const struct http_request *request)
{
    const char *reads = http_request_header(request, "Mkv-Reads");

    return reads != NULL && strcmp(reads, "proxy") == 0;
}

/* Takes the next one off the comma-separated list of addresses; NULL when there is none. */
static const char *next_failed(const char **list, size_t *len)
{
    const char *address;

    if (*list == NULL)
        return NULL;
    address = *list + strspn(*list, ",");
    *len = strcspn(address, ",");
    *list = address + *len;
    return *len > 0 ? address : NULL;
}

unsigned proxy_read_failures(const struct http_request *request)
{
    const char *list = http_request_header(request, "Mkv-Failed");
    unsigned n = 0;
    size_t len;

    while (next_failed(&list, &len) != NULL)
        n++;
    return n;
}

bool proxy_read_has_failed(const struct http_request *request, const struct volume *volume)
{
    const char *list = http_request_header(request, "Mkv-Failed");
    const char *address;
    size_t len;

    while ((address = next_failed(&list, &len)) != NULL) {
        if (len == strlen(volume->address) && memcmp(address, volume->address, len) == 0)
            return true;
    }
    return false;
}

void proxy_read_respond(struct http_request *request, const struct place *place, const char *path,
                        const struct volume *volume)
{
    char uri[sizeof("/_mkv/blob/") + ADDRESS_TEXT_MAX + PLACEMENT_FULL_PATH_MAX];
    char full[PLACEMENT_FULL_PATH_MAX];

    placement_full_path(place, path, full);
    snprintf(uri, sizeof(uri), "/_mkv/blob/%s%s", volume->address, full);
    http_add_header(request, "X-Accel-Redirect", uri);
    http_respond_text(request, 200, "");
}
