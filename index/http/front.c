#include "index/http/front.h"

#include <string.h>

#include "index/base/address.h"
#include "index/base/volume_name.h"

static bool says(const struct http_request *request, const char *name, const char *value)
{
    const char *said = http_request_header(request, name);

    return said != NULL && strcmp(said, value) == 0;
}

enum front_port front_port(const struct http_request *request)
{
    if (says(request, "Mkv-S3", "always"))
        return FRONT_S3;
    return says(request, "Mkv-S3", "perhaps") ? FRONT_MAIN : FRONT_NONE;
}

bool front_proxies_reads(const struct http_request *request)
{
    return says(request, "Mkv-Reads", "proxy");
}

bool front_has_tls(const struct http_request *request)
{
    return says(request, "Mkv-Tls", "on");
}

bool front_is_confidential(struct http_request *request)
{
    const char *client = http_request_header(request, "Mkv-Client");

    if (client == NULL) /* a front that doesn't say: a user's own template may lack it */
        return front_port(request) == FRONT_NONE && http_request_is_local(request);
    return front_has_tls(request) || address_is_loopback(client);
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

unsigned front_failures(const struct http_request *request)
{
    const char *list = http_request_header(request, "Mkv-Failed");
    unsigned n = 0;
    size_t len;

    while (next_failed(&list, &len) != NULL)
        n++;
    return n;
}

bool front_has_failed(const struct http_request *request, const char *address)
{
    const char *list = http_request_header(request, "Mkv-Failed");
    const char *failed;
    size_t len;

    while ((failed = next_failed(&list, &len)) != NULL) {
        if (len == strlen(address) && memcmp(failed, address, len) == 0)
            return true;
    }
    return false;
}

void front_add_volume(struct http_request *request, const char *name)
{
    struct address address;

    if (volume_name_has_tls(name) && volume_name_parse(name, &address) == 0)
        http_add_header(request, "Mkv-Tls-Name", address.host);
}
