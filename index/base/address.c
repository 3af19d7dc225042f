#include "index/base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int parse_port(const char *text, uint16_t *port)
{
    unsigned value = 0;
    size_t n = strspn(text, "0123456789");

    if (n == 0 || n > 5 || text[n] != '\0')
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    if (value == 0 || value > UINT16_MAX)
        return -EINVAL;
    *port = (uint16_t)value;
    return 0;
}

static bool is_name(const char *host, size_t len)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

    return strspn(host, allowed) >= len && host[0] != '-' && host[0] != '.';
}

int address_parse(const char *text, bool host_optional, struct address *out)
{
    struct address a = {.host = ""};
    const char *host = text;
    const char *colon = strrchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    bool bracketed = len >= 2 && host[0] == '[' && host[len - 1] == ']';
    unsigned char binary[16];

    if (parse_port(colon != NULL ? colon + 1 : text, &a.port) < 0)
        return -EINVAL;
    if (bracketed) {
        host++;
        len -= 2;
    }
    if (len > ADDRESS_HOST_MAX || (len == 0 && (bracketed || !host_optional)))
        return -EINVAL;
    memcpy(a.host, host, len);
    a.host[len] = '\0';
    if (bracketed ? inet_pton(AF_INET6, a.host, binary) != 1 : len > 0 && !is_name(a.host, len))
        return -EINVAL;
    *out = a;
    return 0;
}

void address_format(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
    bool brackets = strchr(address->host, ':') != NULL;

    if (address->host[0] == '\0')
        snprintf(text, ADDRESS_TEXT_MAX, "%u", address->port);
    else
        snprintf(text, ADDRESS_TEXT_MAX, "%s%s%s:%u", brackets ? "[" : "", address->host,
                 brackets ? "]" : "", address->port);
}

bool address_is_loopback(const char *text)
{
    struct in_addr in;
    struct in6_addr in6;

    if (inet_pton(AF_INET, text, &in) == 1)
        return ntohl(in.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, text, &in6) != 1)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&in6) || (IN6_IS_ADDR_V4MAPPED(&in6) && in6.s6_addr[12] == 127);
}

bool address_is_no_domain(const char *text)
{
    static const char local[] = "localhost";
    bool bracketed = *text == '[';
    const char *host = text + bracketed;
    size_t len = strcspn(host, bracketed ? "]" : ":");
    const char *rest = host + len;
    char literal[INET6_ADDRSTRLEN];
    unsigned char binary[16];
    uint16_t port;

    if (bracketed && *rest++ != ']')
        return false;
    if (*rest != '\0' && (*rest != ':' || parse_port(rest + 1, &port) < 0))
        return false;
    if (!bracketed && len == sizeof(local) - 1 && strncasecmp(host, local, len) == 0)
        return true;
    if (len >= sizeof(literal))
        return false;
    memcpy(literal, host, len);
    literal[len] = '\0';
    return inet_pton(bracketed ? AF_INET6 : AF_INET, literal, binary) == 1;
}
