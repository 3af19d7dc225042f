/* What the front, the nginx before the index, says of a request by headers of its own, which it
 * takes from no client (templates/index.conf.in). A client of --direct can write them, and so they
 * may change nothing but how that client itself is answered.
 *
 *     Mkv-Reads: proxy         the front fetches what is read itself: the answer may tell it where
 *     Mkv-Failed: ,ADDRESS...  volumes at which it tried to, for this very request
 *     Mkv-Client: ADDRESS      the client's, without a port
 *     Mkv-Tls: on              it came to the front over TLS
 *     Mkv-S3: perhaps          the request came to the port on which the native API is spoken, too;
 *             always           to the one on which there is only S3
 */
#ifndef MKV_HTTP_FRONT_H
#define MKV_HTTP_FRONT_H

#include "index/http/http.h"

/* Tries that the front has for one request. After that it would answer 500 itself, since nginx
 * follows ten redirects for one request: two for each try. */
#define FRONT_TRIES 5

enum front_port {
    FRONT_NONE, /* it came by no front */
    FRONT_MAIN,
    FRONT_S3,
};

/* The port of the front that the request came to. */
enum front_port front_port(const struct http_request *request);

/* Whether the front is to fetch what a GET of the native API reads. */
bool front_proxies_reads(const struct http_request *request);

/* Whether nobody between the client and us can have read the request: it came over TLS, or from
 * this machine. Of a front that doesn't say where its client is, nothing is taken for granted. */
bool front_is_confidential(struct http_request *request);

/* Whether the client came to the front over TLS. */
bool front_has_tls(const struct http_request *request);

/* How many volumes the front has tried for this request, and whether the one that answers at
 * `address` is among them. */
unsigned front_failures(const struct http_request *request);
bool front_has_failed(const struct http_request *request, const char *address);

/* Adds to an answer that tells the front where to fetch a blob how the volume `name` is asked:
 *
 *     Mkv-Tls-Name: HOST       by TLS, and its certificate has to be of that host
 */
void front_add_volume(struct http_request *request, const char *name);

#endif
