#include "index/base/http_date.h"

#include <stdio.h>
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
