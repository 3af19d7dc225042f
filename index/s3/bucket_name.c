#include "index/s3/bucket_name.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_ipv4(const char *name, size_t len)
{
    char text[BUCKET_NAME_MAX + 1];
    struct in_addr address;

    memcpy(text, name, len);
    text[len] = '\0';
    return inet_pton(AF_INET, text, &address) == 1;
}

bool bucket_name_is_valid(const char *name, size_t len)
{
    if (len < 3 || len > BUCKET_NAME_MAX || !is_alphanumeric(name[0]) ||
        !is_alphanumeric(name[len - 1]))
        return false;
    for (size_t i = 1; i < len; i++) {
        if (!is_alphanumeric(name[i]) && name[i] != '-' && name[i] != '.')
            return false;
        if (name[i] == '.' && name[i - 1] == '.')
            return false;
    }
    return !is_ipv4(name, len);
}

bool bucket_name_is_usable(const char *name, size_t len)
{
    static const char reserved[] = "_mkv";

    if (len == 0 || len > BUCKET_NAME_MAX || memchr(name, '/', len) != NULL ||
        memchr(name, '\0', len) != NULL)
        return false;
    return len != sizeof(reserved) - 1 || memcmp(name, reserved, len) != 0;
}
