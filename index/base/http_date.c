#include "index/base/http_date.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LAST 253402300799ULL /* second of the year 9999 */

void http_date_format(uint64_t seconds, char text[HTTP_DATE_SIZE])
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t time = (time_t)(seconds < LAST ? seconds : LAST);
    struct tm tm;

    gmtime_r(&time, &tm);
    snprintf(text, HTTP_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
             tm.tm_mday, months[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min,
             tm.tm_sec);
}

void iso_date_format(uint64_t ms, char text[ISO_DATE_SIZE])
{
    time_t time = (time_t)(ms / 1000 < LAST ? ms / 1000 : LAST);
    struct tm tm;

    gmtime_r(&time, &tm);
    strftime(text, ISO_DATE_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + 19, ISO_DATE_SIZE - 19, ".%03uZ", (unsigned)(ms % 1000));
}

int http_date_parse(const char *text, int64_t *seconds)
{
    static const char *const formats[] = {
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a %b %e %H:%M:%S %Y",
    };

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, formats[i], &tm);
        int day = tm.tm_mday;
        int64_t time;

        if (end == NULL || end[strspn(end, " \t")] != '\0')
            continue;
        time = timegm(&tm);
        if (tm.tm_mday != day) /* there is no such day in the month */
            return -EINVAL;
        *seconds = time;
        return 0;
    }
    return -EINVAL;
}
