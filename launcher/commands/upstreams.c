#include "launcher/commands/upstreams.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "index/base/address.h"
#include "index/base/log.h"

#define LOOKUPS_MAX_MS 5000 /* when they have taken so long, no other one is begun */

/* Addresses as the index writes them (index/cluster/transfer.c), one after the other in `texts`.
 */
struct addresses {
    struct buf texts;
    size_t n;
};

static int add_address(struct addresses *a, const struct addrinfo *info, uint16_t port)
{
    struct address address = {.port = port};
    char text[ADDRESS_TEXT_MAX] = "";
    int failed = getnameinfo(info->ai_addr, info->ai_addrlen, address.host, sizeof(address.host),
                             NULL, 0, NI_NUMERICHOST);

    if (failed != 0 || strchr(address.host, '%') != NULL) /* a scope: nginx knows none */
        return 0;
    address_format(&address, text);
    a->n++;
    return buf_append(&a->texts, text, sizeof(text));
}

static int look_up(struct addresses *a, const char *volume)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *infos = NULL;
    struct address address;
    int failed;
    int rc = 0;

    volume_name_parse(volume, &address);
    failed = getaddrinfo(address.host, NULL, &hints, &infos);
    if (failed != 0) {
        log_warn("volume %s can't be resolved: %s", volume, gai_strerror(failed));
        return 0;
    }
    for (const struct addrinfo *at = infos; at != NULL && rc == 0; at = at->ai_next)
        rc = add_address(a, at, address.port);
    freeaddrinfo(infos);
    return rc;
}

static int look_all_up(struct addresses *a, const struct volume_list *volumes)
{
    uint64_t begun = uv_hrtime();
    int rc = 0;

    for (size_t i = 0; i < volumes->count && rc == 0; i++) {
        if (uv_hrtime() - begun > LOOKUPS_MAX_MS * 1000000ULL) {
            log_warn("volumes from %s on are not looked up: it takes too long",
                     volumes->entries[i].name);
            break;
        }
        rc = look_up(a, volumes->entries[i].name);
    }
    return rc;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Each once: two names can be of one address. */
static int write_all(struct upstreams *u, struct addresses *a)
{
    char(*texts)[ADDRESS_TEXT_MAX] = (void *)buf_bytes(&a->texts);
    int rc = 0;

    if (a->n > 0)
        qsort(texts, a->n, ADDRESS_TEXT_MAX, compare);
    for (size_t i = 0; i < a->n && rc == 0; i++) {
        if (i > 0 && strcmp(texts[i], texts[i - 1]) == 0)
            continue;
        rc = buf_append_format(&u->blocks,
                               "upstream mkv_volume_%zu { server %s max_fails=0; keepalive 16; "
                               "keepalive_timeout 60s; }\n",
                               i, texts[i]);
        if (rc == 0)
            rc = buf_append_format(&u->map, "\"%s\" mkv_volume_%zu;\n", texts[i], i);
    }
    return rc;
}

int upstreams_make(struct upstreams *u, const struct volume_list *volumes, bool wanted)
{
    struct addresses addresses = {.n = 0};
    int rc = 0;

    if (wanted)
        rc = look_all_up(&addresses, volumes);
    if (rc == 0)
        rc = write_all(u, &addresses);
    if (rc == 0)
        rc = buf_append(&u->blocks, "", 1);
    if (rc == 0)
        rc = buf_append(&u->map, "", 1);
    buf_deinit(&addresses.texts);
    if (rc < 0)
        log_error("cannot look the volumes up: out of memory");
    return rc;
}

void upstreams_deinit(struct upstreams *u)
{
    buf_deinit(&u->blocks);
    buf_deinit(&u->map);
}
