/* The status page: one HTML document that needs nothing else, and what it refreshes itself with.
 *
 *     GET /               the page
 *     GET /?zone=NAME     the same, with all volumes of that zone
 *     GET /?from=N        from row N on, where there are too many for one page; also with zone
 *     GET /?main&...      the inside of its <main> alone: what the page's script asks for
 *
 * The numbers are in the HTML, so it works without JavaScript; the script puts fresh ones in their
 * place. So there is one text of each, made here. The page's policy (CSP) lets it run that script,
 * which is known by its hash, and load nothing but this. Both carry an ETag, and are packed by gzip
 * for clients that take it. */
#ifndef MKV_ADMIN_PAGE_H
#define MKV_ADMIN_PAGE_H

#include "index/admin/admin.h"

struct history; /* history.h */

/* Answers a GET or HEAD of "/". */
void page_respond(const struct admin *admin, const struct history *history,
                  struct http_request *request);

/* Whether a client that sends this header Accept-Encoding, or NULL, takes gzip. (RFC 9110, section
 * 12.5.3) */
bool page_takes_gzip(const char *accept_encoding);

#endif
