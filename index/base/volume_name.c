#include "index/base/volume_name.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#define TLS_LEN (sizeof(VOLUME_NAME_TLS) - 1)

static_assert(VOLUME_NAME_SIZE == TLS_LEN + ADDRESS_TEXT_MAX, "the scheme has 8 bytes");

int volume_name_parse(const char *name, struct address *address)
{
    return address_parse(volume_name_address(name), false, address);
}

bool volume_name_has_tls(const char *name)
{
    return strncmp(name, VOLUME_NAME_TLS, TLS_LEN) == 0;
}

const char *volume_name_scheme(const char *name)
{
    return volume_name_has_tls(name) ? "" : "http://";
}

const char *volume_name_address(const char *name)
{
    return volume_name_has_tls(name) ? name + TLS_LEN : name;
}

/* Drops the scheme of a name that no NUL ends. */
static void skip_scheme(const char **name, size_t *len)
{
    if (*len < TLS_LEN || memcmp(*name, VOLUME_NAME_TLS, TLS_LEN) != 0)
        return;
    *name += TLS_LEN;
    *len -= TLS_LEN;
}

bool volume_names_meet(const char *a, size_t a_len, const char *b, size_t b_len)
{
    skip_scheme(&a, &a_len);
    skip_scheme(&b, &b_len);
    return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}
