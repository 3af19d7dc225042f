#include "index/base/quantity.h"

#include <stddef.h>
#include <stdio.h>

const char *quantity_size(double bytes, char text[QUANTITY_TEXT_MAX])
{
    static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;

    for (; bytes >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        bytes /= 1024;
    snprintf(text, QUANTITY_TEXT_MAX, unit > 0 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return text;
}

const char *quantity_duration(int64_t ms, char text[QUANTITY_TEXT_MAX])
{
    long long s = ms > 0 ? ms / 1000 : 0;

    if (s < 60)
        snprintf(text, QUANTITY_TEXT_MAX, "%lld s", s);
    else if (s < 3600)
        snprintf(text, QUANTITY_TEXT_MAX, "%lld min %lld s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, QUANTITY_TEXT_MAX, "%lld h %lld min", s / 3600, s / 60 % 60);
    else
        snprintf(text, QUANTITY_TEXT_MAX, "%lld day%s %lld h", s / 86400, s < 2 * 86400 ? "" : "s",
                 s / 3600 % 24);
    return text;
}

const char *quantity_rate(double per_second, char text[QUANTITY_TEXT_MAX])
{
    snprintf(text, QUANTITY_TEXT_MAX, per_second < 10 ? "%.1f" : "%.0f", per_second);
    return text;
}
