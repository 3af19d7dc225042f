/* What turns an option's text into a typed field; see options.h. */
#include <string.h>

#include "index/base/address.h"
#include "index/base/log.h"
#include "launcher/options.h"

/* Parses decimal digits up to `max`, no sign and no space. */
static bool parse_number(const char *text, unsigned max, unsigned *out)
{
    unsigned value = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
        if (value > max)
            return false;
    }
    *out = value;
    return true;
}

const char *option_set_bool(void *target, const char *value)
{
    (void)value;
    *(bool *)target = true;
    return NULL;
}

const char *option_set_string(void *target, const char *value)
{
    if (value[0] == '\0')
        return "must not be empty";
    *(const char **)target = value;
    return NULL;
}

const char *option_set_log_level(void *target, const char *value)
{
    if (log_level_parse(value, target) < 0)
        return "must be debug, info, warn or error";
    return NULL;
}

const char *option_set_seconds(void *target, const char *value)
{
    unsigned seconds;

    if (!parse_number(value, 86400, &seconds))
        return "must be a number of seconds, at most 86400";
    *(unsigned *)target = seconds * 1000;
    return NULL;
}

const char *option_set_workers(void *target, const char *value)
{
    unsigned workers;

    if (strcmp(value, "auto") == 0)
        workers = 0;
    else if (!parse_number(value, 1024, &workers) || workers == 0)
        return "must be a number from 1 to 1024, or auto";
    *(unsigned *)target = workers;
    return NULL;
}

const char *option_set_subvolumes(void *target, const char *value)
{
    unsigned n;

    if (!parse_number(value, 256, &n) || n == 0)
        return "must be a number from 1 to 256";
    *(unsigned *)target = n;
    return NULL;
}

const char *option_set_replicas(void *target, const char *value)
{
    unsigned n;

    if (!parse_number(value, 16, &n) || n == 0)
        return "must be a number from 1 to 16";
    *(unsigned *)target = n;
    return NULL;
}

const char *option_set_listen(void *target, const char *value)
{
    if (address_parse(value, true, target) < 0)
        return "must be PORT or ADDR:PORT";
    return NULL;
}

const char *option_set_address(void *target, const char *value)
{
    struct address address;

    if (address_parse(value, false, &address) < 0)
        return "must be HOST:PORT";
    *(const char **)target = value;
    return NULL;
}
