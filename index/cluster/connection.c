/* Transfers' connections: how they are made and closed, which are used again, and what it means
 * when there is none. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "index/base/address.h"
#include "index/base/log.h"
#include "index/cluster/internal.h"
#include "index/cluster/volumes.h"

#define MAX_AGE 60L /* seconds of idling; the volumes' nginx keeps them for 120 */

/* What this machine was short of, as a UV_E*, when no connection could be made; 0: of nothing. The
 * resolver doesn't tell, so a descriptor is asked for. */
static int find_shortage(const struct transfer *t)
{
    long error = 0;
    int fd;

    if (t->shortage != 0)
        return -t->shortage;
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &error);
    if (is_shortage((int)error))
        return -(int)error;
    fd = open("/", O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int connection_failed(struct transfer *t)
{
    int rc = find_shortage(t);

    if (rc == 0)
        return UV_ECONNREFUSED;
    log_limited(LOG_LEVEL_ERROR, "volumes can't be connected to: %s (here, not there)",
                uv_strerror(rc));
    return rc;
}

int connection_translate(struct transfer *t, CURLcode code)
{
    t->refusal = tls_explain(t, code);
    if (t->refusal != NULL)
        return UV_ECONNREFUSED;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return connection_failed(t);
    case CURLE_OPERATION_TIMEDOUT:
        return UV_ETIMEDOUT;
    case CURLE_OUT_OF_MEMORY:
        return UV_ENOMEM;
    default:
        log_debug("a volume's answer ended early: %s", curl_easy_strerror(code));
        return UV_ECONNRESET;
    }
}

/* An nginx that is started later must not inherit it, and hold the volume's connection open. */
static curl_socket_t open_socket_cb(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *t = arg;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

    (void)purpose;
    if (fd < 0 && is_shortage(errno))
        t->shortage = errno;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* What was sent and hasn't arrived must not arrive any more: the rest of a PUT that was broken off
 * could become a blob after it has been deleted. A close with a reset drops it. */
static int close_socket_cb(void *arg, curl_socket_t fd)
{
    const struct linger reset = {.l_onoff = 1};
    int unsent = 0;

    (void)arg;
    if (ioctl(fd, SIOCOUTQ, &unsent) == 0 && unsent > 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    return close(fd);
}

/* Connections that were made before the volume had its present address are not used any more.
 * libcurl counts their age in seconds, so for a moment none is. */
static void leave_old_connections(const struct transfer *t)
{
    uint64_t moved = t->volume != NULL ? t->volume->moved : 0;
    uint64_t ago = uv_now(t->engine->loop) - moved;

    if (moved == 0)
        return;
    if (ago < 2000)
        curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
#if LIBCURL_VERSION_NUM >= 0x075000
    else
        curl_easy_setopt(t->easy, CURLOPT_MAXLIFETIME_CONN, (long)(ago / 1000));
#endif
}

/* Else libcurl keeps the addresses of a name for a minute. */
static int connect_anew(struct transfer *t, const char *url)
{
    const char *host = strstr(url, "//") + 2;
    char text[ADDRESS_TEXT_MAX + 1];

    snprintf(text, sizeof(text), "-%.*s", (int)strcspn(host, "/"), host);
    t->forget = curl_slist_append(NULL, text);
    if (t->forget == NULL)
        return UV_ENOMEM;
    curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->forget);
    curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
    return 0;
}

/* An older libcurl doesn't tell how often it has sent a request, only how much in all. */
#if LIBCURL_VERSION_NUM >= 0x075000
static int send_cb(void *arg, char *to, char *from, int to_port, int from_port)
{
    struct transfer *t = arg;

    (void)to, (void)from, (void)to_port, (void)from_port;
    t->tries++;
    return CURL_PREREQFUNC_OK;
}
#endif

void connection_count_tries(struct transfer *t)
{
#if LIBCURL_VERSION_NUM < 0x075000
    long bytes = 0;

    curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &bytes);
    t->tries = bytes > 0;
#else
    (void)t; /* send_cb() has */
#endif
}

int connection_prepare(struct transfer *t, const char *url, bool anew)
{
#if LIBCURL_VERSION_NUM >= 0x075000
    curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, send_cb);
    curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
#endif
    curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket_cb);
    curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket_cb);
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)t->engine->limits.connect_timeout);
    curl_easy_setopt(t->easy, CURLOPT_MAXAGE_CONN, MAX_AGE);
    leave_old_connections(t);
    return anew ? connect_anew(t, url) : 0;
}

void connection_note_address(struct transfer *t)
{
    struct address address;
    const char *ip = NULL;
    long port = 0;

    curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &ip);
    curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_PORT, &port);
    if (ip == NULL || *ip == '\0')
        return;
    snprintf(address.host, sizeof(address.host), "%s", ip);
    address.port = (uint16_t)port;
    address_format(&address, t->address);
}
