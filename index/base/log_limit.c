#include "index/base/log_limit.h"

#include <ctype.h>

static uint64_t mix(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * 0x100000001b3; /* FNV-1a */
}

static uint64_t hash_kind(const char *line, size_t len, bool numbers_differ)
{
    uint64_t hash = 0xcbf29ce484222325;
    bool quoted = false;
    bool number = false;

    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)line[i];
        bool digit = isdigit(byte) != 0 && numbers_differ;

        if (byte == '"')
            quoted = !quoted;
        else if (quoted || (digit && number))
            continue;
        number = digit;
        hash = mix(hash, digit ? '0' : byte);
    }
    return hash;
}

bool log_limit_passes(struct log_limit *limit, const char *line, size_t len, bool numbers_differ,
                      uint64_t now, unsigned *held)
{
    uint64_t hash = hash_kind(line, len, numbers_differ);
    size_t oldest = 0;
    size_t at;

    for (at = 0; at < LOG_LIMIT_KINDS; at++) {
        if (!limit->kinds[at].used || limit->kinds[at].hash == hash)
            break;
        if (limit->kinds[at].at < limit->kinds[oldest].at)
            oldest = at;
    }
    if (at < LOG_LIMIT_KINDS && limit->kinds[at].used) {
        if (now - limit->kinds[at].at < LOG_LIMIT_INTERVAL) {
            limit->kinds[at].held++;
            return false;
        }
        *held = limit->kinds[at].held;
    } else {
        at = at < LOG_LIMIT_KINDS ? at : oldest;
        *held = 0;
    }
    limit->kinds[at].used = true;
    limit->kinds[at].hash = hash;
    limit->kinds[at].at = now;
    limit->kinds[at].held = 0;
    return true;
}
