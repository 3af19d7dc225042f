#include "launcher/nginx/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "index/base/log.h"

#define BACKLOG     511 /* nginx's own */
#define SEND_BUFFER (512 * 1024)
#define NAME_MAX    (INET6_ADDRSTRLEN + 9)

static void format_name(const struct listener *l, char name[NAME_MAX])
{
    char host[INET6_ADDRSTRLEN] = "";

    if (l->address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&l->address;

        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(name, NAME_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&l->address;

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(name, NAME_MAX, "%s:%u", host, ntohs(in->sin_port));
    }
}

/* Adds an address that isn't there yet, as long as there is room, and says so when there is none.
 */
static void add(struct listeners *listeners, const struct sockaddr *address, socklen_t length)
{
    struct listener l;
    char name[NAME_MAX];

    for (size_t i = 0; i < listeners->n; i++) {
        if (listeners->items[i].length == length &&
            memcmp(&listeners->items[i].address, address, length) == 0)
            return;
    }
    memset(&l, 0, sizeof(l));
    l.fd = -1;
    l.length = length;
    memcpy(&l.address, address, length);
    if (listeners->n < LISTENERS_MAX) {
        listeners->items[listeners->n++] = l;
        return;
    }
    format_name(&l, name);
    log_warn("not listening on %s: %d addresses are the most", name, LISTENERS_MAX);
}

/* The connections that are accepted inherit it. Else each client that doesn't read costs megabytes
 * of the kernel's memory, and one that reads has a worker for as long as that takes. (It may not
 * know how.) */
static void bound_send_buffers(int fd)
{
    int bytes = SEND_BUFFER;

    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

static int open_socket(const struct listener *l)
{
    int fd = socket(l->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    int rc = 0;

    if (fd < 0)
        return -errno;
    /* nginx takes inherited sockets to be non-blocking, and its `ipv6only=on` to be set already. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (l->address.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
        bind(fd, (const struct sockaddr *)&l->address, l->length) < 0 || listen(fd, BACKLOG) < 0)
        rc = -errno;
    if (rc < 0)
        close(fd);
    else
        bound_send_buffers(fd);
    return rc < 0 ? rc : fd;
}

/* Whether this host can listen there at all, whatever the port: its kernel may lack the family, and
 * a name may be that of other hosts, too. 0 or a -errno. */
static int try_address(const struct listener *l)
{
    struct listener any = *l;
    int fd;

    /* The port stands in the same place in both families. */
    memset((char *)&any.address + offsetof(struct sockaddr_in, sin_port), 0, sizeof(in_port_t));
    fd = open_socket(&any);
    if (fd >= 0)
        close(fd);
    return fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL ? fd : 0;
}

/* Leaves out what this host can't listen on, unless that is all. */
static void drop_missing(struct listeners *listeners)
{
    struct listeners kept = {.n = 0};
    int errors[LISTENERS_MAX];
    char name[NAME_MAX];

    for (size_t i = 0; i < listeners->n; i++) {
        errors[i] = try_address(&listeners->items[i]);
        if (errors[i] == 0)
            kept.items[kept.n++] = listeners->items[i];
    }
    for (size_t i = 0; i < listeners->n && kept.n > 0; i++) {
        format_name(&listeners->items[i], name);
        if (errors[i] < 0)
            log_info("not listening on %s: %s", name, strerror(-errors[i]));
    }
    if (kept.n > 0)
        *listeners = kept;
}

static void resolve_any(uint16_t port, struct listeners *listeners)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    add(listeners, (const struct sockaddr *)&in, sizeof(in));
    add(listeners, (const struct sockaddr *)&in6, sizeof(in6));
}

static int resolve_name(const struct address *address, struct listeners *listeners)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    char port[8];
    int rc;

    snprintf(port, sizeof(port), "%u", address->port);
    rc = getaddrinfo(address->host, port, &hints, &found);
    if (rc != 0) {
        log_error("cannot listen on %s: %s", address->host,
                  rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
        return -EADDRNOTAVAIL;
    }
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
        if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
            add(listeners, a->ai_addr, a->ai_addrlen);
    }
    freeaddrinfo(found);
    return 0;
}

int listeners_resolve(const struct address *address, struct listeners *listeners)
{
    int rc = 0;

    listeners->n = 0;
    if (address->host[0] == '\0')
        resolve_any(address->port, listeners);
    else
        rc = resolve_name(address, listeners);
    if (rc == 0)
        drop_missing(listeners);
    return rc;
}

void listeners_add(struct listeners *listeners, const struct listeners *more)
{
    for (size_t i = 0; i < more->n; i++) {
        const struct listener *l = &more->items[i];

        add(listeners, (const struct sockaddr *)&l->address, l->length);
    }
}

static void log_refusal(const struct listener *l, int rc)
{
    char name[NAME_MAX];
    const char *mend = "";

    if (rc == -EADDRINUSE)
        mend = "; stop what holds the port, or choose another";
    if (rc == -EACCES)
        mend = "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
    format_name(l, name);
    log_error("cannot listen on %s: %s%s", name, strerror(-rc), mend);
}

int listeners_open(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->n; i++) {
        struct listener *l = &listeners->items[i];
        int fd = open_socket(l);

        if (fd < 0) {
            log_refusal(l, fd);
            listeners_close(listeners);
            return fd;
        }
        l->fd = fd;
    }
    return 0;
}

static bool is_loopback(const struct listener *l)
{
    if (l->address.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&l->address)->sin6_addr);
    return ntohl(((const struct sockaddr_in *)&l->address)->sin_addr.s_addr) >> 24 ==
           IN_LOOPBACKNET;
}

bool listeners_are_loopback(const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->n; i++) {
        if (!is_loopback(&listeners->items[i]))
            return false;
    }
    return true;
}

void listeners_close(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->n; i++) {
        if (listeners->items[i].fd >= 0)
            close(listeners->items[i].fd);
        listeners->items[i].fd = -1;
    }
}

int listeners_open_private(struct listener *listener, unsigned *port)
{
    struct listener l = {.length = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&l.address;

    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    l.fd = open_socket(&l);
    if (l.fd < 0) {
        log_refusal(&l, l.fd);
        return l.fd;
    }
    getsockname(l.fd, (struct sockaddr *)&l.address, &l.length);
    *listener = l;
    *port = ntohs(in->sin_port);
    return 0;
}

int listeners_append_directives(const struct listeners *listeners, const char *words,
                                struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; i < listeners->n && rc == 0; i++) {
        const struct listener *l = &listeners->items[i];
        char name[NAME_MAX];

        format_name(l, name);
        rc = buf_append_format(out, "%slisten %s%s%s;", i > 0 ? " " : "", name,
                               l->address.ss_family == AF_INET6 ? " ipv6only=on" : "", words);
    }
    return rc;
}

int listeners_append_names(const struct listeners *listeners, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; i < listeners->n && rc == 0; i++) {
        char name[NAME_MAX];

        format_name(&listeners->items[i], name);
        rc = buf_append_format(out, "%s%s", i > 0 ? " " : "", name);
    }
    return rc;
}

int listeners_append_environment(const struct listeners *listeners, struct buf *out)
{
    int rc = buf_append_string(out, "NGINX=");

    for (size_t i = 0; i < listeners->n && rc == 0; i++) {
        if (listeners->items[i].fd >= 0)
            rc = buf_append_format(out, "%d;", listeners->items[i].fd);
    }
    return rc;
}
