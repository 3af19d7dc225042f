#include "index/api/proxy_read.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "index/api/api.h"

/* How the front calls a volume, in its upstreams and here. */
void api_upstream_name(const char *volume, char name[VOLUME_ADDRESS_MAX])
{
    size_t n = 0;

    for (; n < VOLUME_ADDRESS_MAX - 1 && volume[n] != '\0'; n++) {
        if (volume[n] == ':')
            name[n] = '_';
        else
            name[n] = volume[n] == '[' || volume[n] == ']' ? '-' : volume[n];
    }
    name[n] = '\0';
}

bool proxy_read_is_wanted(const struct http_request *request)
{
    const char *reads = http_request_header(request, "Mkv-Reads");

    return reads != NULL && strcmp(reads, "proxy") == 0;
}

bool proxy_read_has_failed(const struct http_request *request, const struct volume *volume)
{
    const char *at = http_request_header(request, "Mkv-Failed");
    char name[VOLUME_ADDRESS_MAX];

    api_upstream_name(volume->name, name);
    while (at != NULL && *at != '\0') {
        size_t n = strcspn(at, ",");

        if (n == strlen(name) && strncasecmp(at, name, n) == 0)
            return true;
        at += at[n] == ',' ? n + 1 : n;
    }
    return false;
}

bool proxy_read_respond(struct http_request *request, const struct key *key,
                        const struct replica *replica, const struct volume *volume)
{
    char uri[sizeof("/_mkv/blob/") + VOLUME_ADDRESS_MAX + UPLOAD_PATH_MAX];
    struct upload_target target = {.has_subvolume = replica->has_subvolume,
                                   .subvolume = replica->subvolume};
    char path[PLACEMENT_PATH_MAX];
    char whole[UPLOAD_PATH_MAX];
    char name[VOLUME_ADDRESS_MAX];

    if (!volume->is_listed) /* the front knows the others only */
        return false;
    api_upstream_name(volume->name, name);
    placement_path(key->bytes, key->len, path);
    upload_target_path(&target, path, whole);
    snprintf(uri, sizeof(uri), "/_mkv/blob/%s%s", name, whole);
    http_add_header(request, "X-Accel-Redirect", uri);
    api_respond_text(request, 200, "");
    return true;
}
