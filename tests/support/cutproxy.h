/* A proxy in front of a PostgreSQL server's Unix socket, in threads of its own, that cuts
 * connections: before a request has reached the server, or after the server has done what it asks
 * and before the answer has come back. What can't fail in a sane test ends the program. */
#ifndef MKV_TESTS_SUPPORT_CUTPROXY_H
#define MKV_TESTS_SUPPORT_CUTPROXY_H

#include <stddef.h>

struct cutproxy;

/* In front of the server whose URI this is (postgres_server_new_database()); writes the URI of the
 * same database by way of the proxy. It cuts nothing yet. */
struct cutproxy *cutproxy_start(const char *uri, char *via, size_t size);

/* From now on cuts before one of `n` pieces of requests, or of answers; 0: none. */
void cutproxy_cut_requests(struct cutproxy *proxy, unsigned n);
void cutproxy_cut_answers(struct cutproxy *proxy, unsigned n);

/* Ends all connections that there are. The server goes on with what they have asked. */
void cutproxy_break(struct cutproxy *proxy);

/* How many were cut so far, of either kind. */
unsigned cutproxy_cuts(const struct cutproxy *proxy);

/* Ends all of its connections. */
void cutproxy_stop(struct cutproxy *proxy);

#endif
