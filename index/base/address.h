/* Network addresses as users write them: "3001", "10.0.0.1:3001", "disk1.lan:3001", "[::1]:3001".
 */
#ifndef MKV_BASE_ADDRESS_H
#define MKV_BASE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_HOST_MAX 253 /* RFC 1035, section 2.3.4, in its text form */
/* Longest text form and its NUL: brackets, colon, five digits. */
#define ADDRESS_TEXT_MAX (ADDRESS_HOST_MAX + 2 + 1 + 5 + 1)

struct address {
    char host[ADDRESS_HOST_MAX + 1]; /* name or literal without brackets; "" means any */
    uint16_t port;                   /* host byte order, never 0 */
};

/* Parses `text`. Accepts letters, digits, '.', '-' and '_' in a name, and an IPv6 literal
 * (inet_pton) in brackets. Without a host, which only `host_optional` allows, "3001" and ":3001"
 * leave host empty. Returns 0, or -EINVAL with *out untouched. */
int address_parse(const char *text, bool host_optional, struct address *out);

/* Writes the text form, with brackets where the host has a colon, or the port alone for any host.
 */
void address_format(const struct address *address, char text[ADDRESS_TEXT_MAX]);

/* Whether `text`, an address without a port, is of this machine's loopback: 127.0.0.0/8, also as
 * IPv6 has it (::ffff:127.0.0.1), or ::1. */
bool address_is_loopback(const char *text);

/* Whether `text`, as the header Host has it, is a name that no DNS server answers for: localhost or
 * an IP address, with or without a port. By any other one, of a domain of his own, a stranger can
 * have led a browser on this machine here. */
bool address_is_no_domain(const char *text);

#endif
