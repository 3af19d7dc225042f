/* What turns an option's text into a typed field; see options.h. */
#include <assert.h>
#include <string.h>

#include "index/access/ticket.h"
#include "index/base/log.h"
#include "index/base/volume_name.h"
#include "index/maintenance/job.h"
#include "launcher/options.h"
#include "launcher/quantity.h"

#define DURATION_MAX (3650U * 86400) /* seconds */

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

/* A function of its own: by it a file knows what it has no say in. */
const char *option_set_action(void *target, const char *value)
{
    return option_set_bool(target, value);
}

const char *option_set_config(void *target, const char *value)
{
    return option_set_string(target, value);
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

const char *option_set_log_format(void *target, const char *value)
{
    if (log_format_parse(value, target) < 0)
        return "must be text or json";
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

const char *option_set_ticket_ttl(void *target, const char *value)
{
    unsigned seconds;

    static_assert(TICKET_TTL_MIN == 5 && TICKET_TTL_MAX == 86400, "the text says so");
    if (!parse_number(value, TICKET_TTL_MAX, &seconds) || seconds < TICKET_TTL_MIN)
        return "must be a number of seconds, from 5 to 86400";
    *(unsigned *)target = seconds;
    return NULL;
}

/* A number and its unit; 0 needs none. */
const char *option_set_duration(void *target, const char *value)
{
    static const struct {
        char unit;
        unsigned seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t n = strlen(value);
    char digits[16];
    unsigned number;

    if (strcmp(value, "0") == 0) {
        *(uint64_t *)target = 0;
        return NULL;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (n < 2 || n > sizeof(digits) || value[n - 1] != units[i].unit)
            continue;
        memcpy(digits, value, n - 1);
        digits[n - 1] = '\0';
        if (!parse_number(digits, DURATION_MAX / units[i].seconds, &number))
            break;
        *(uint64_t *)target = (uint64_t)number * units[i].seconds * 1000;
        return NULL;
    }
    return "must be a time such as 30s, 10m, 6h or 30d, at most 3650d, or 0";
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

const char *option_set_limit(void *target, const char *value)
{
    unsigned n;

    if (!parse_number(value, 1000000, &n) || n == 0)
        return "must be a number from 1 to 1000000";
    *(unsigned *)target = n;
    return NULL;
}

const char *option_set_jobs(void *target, const char *value)
{
    unsigned n;

    if (!parse_number(value, JOB_JOBS_MAX, &n) || n == 0)
        return "must be a number from 1 to 64";
    *(unsigned *)target = n;
    return NULL;
}

static_assert(JOB_JOBS_MAX == 64, "the text above says so");

const char *option_set_rate(void *target, const char *value)
{
    if (!quantity_parse(value, target))
        return "must be a number of bytes, or one with K, M or G";
    return NULL;
}

const char *option_set_listen(void *target, const char *value)
{
    if (address_parse(value, true, target) < 0)
        return "must be PORT or ADDR:PORT";
    return NULL;
}

const char *option_set_admin(void *target, const char *value)
{
    struct address address;

    if (address_parse(value, true, &address) < 0)
        return "must be PORT or ADDR:PORT";
    if (address.host[0] == '\0')
        strcpy(address.host, "127.0.0.1");
    *(struct address *)target = address;
    return NULL;
}

const char *option_set_address(void *target, const char *value)
{
    struct address address;

    if (volume_name_parse(value, &address) < 0)
        return "must be HOST:PORT";
    *(const char **)target = value;
    return NULL;
}
