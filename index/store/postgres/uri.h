/* The URI of a database, as an option says it. */
#ifndef MKV_STORE_POSTGRES_URI_H
#define MKV_STORE_POSTGRES_URI_H

/* Looks whether libpq takes it, and whether it says a password: everybody on this machine could see
 * that in the list of processes, and everybody who sees a log in there. NULL, or what a good one
 * looks like, as option_set_fn says it. */
const char *postgres_uri_problem(const char *uri);

#endif
