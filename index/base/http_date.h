/* Dates of HTTP (RFC 9110, section 5.6.7) and of XML (ISO 8601), whatever the locale. */
#ifndef MKV_BASE_HTTP_DATE_H
#define MKV_BASE_HTTP_DATE_H

#include <stdint.h>

#define HTTP_DATE_SIZE 32 /* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL, up to the year 9999 */

/* Writes the date of so many seconds since 1970; those past the year 9999 become its last. */
void http_date_format(uint64_t seconds, char text[HTTP_DATE_SIZE]);

#define ISO_DATE_SIZE 32 /* "2006-10-12T17:50:30.000Z" and a NUL */

/* Writes the date of so many milliseconds since 1970, in the same years. */
void iso_date_format(uint64_t ms, char text[ISO_DATE_SIZE]);

/* Reads a date of HTTP, of any of its three forms, and sets *seconds since 1970. 0, or -EINVAL. */
int http_date_parse(const char *text, int64_t *seconds);

#endif
