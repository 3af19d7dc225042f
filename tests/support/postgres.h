/* A PostgreSQL server of a test's own, with its data in memory where there is such a place. What
 * can't fail in a sane test ends the program with a line on stderr, and so do tests: the server
 * ends with the program, whatever ends that. */
#ifndef MKV_TESTS_SUPPORT_POSTGRES_H
#define MKV_TESTS_SUPPORT_POSTGRES_H

#define POSTGRES_URI_MAX 256

struct postgres_server;

/* Starts a server and waits until it takes changes. `option` is one more of its command line's, as
 * "-cmax_connections=10", or NULL. Shown when it doesn't start: its log. */
struct postgres_server *postgres_server_start(const char *option);

/* Ends it, as an administrator or a power cut would, and starts it again. It waits for neither
 * clients nor checkpoints. */
void postgres_server_restart(struct postgres_server *server);
void postgres_server_crash(struct postgres_server *server);

/* Ends it and removes its files. NULL does nothing. */
void postgres_server_stop(struct postgres_server *server);

/* Makes an empty database of a name of its own, and writes its URI, which libpq takes. */
void postgres_server_new_database(struct postgres_server *server, char uri[POSTGRES_URI_MAX]);

/* Runs statements in the database of that URI, and returns the first column of the first row of
 * the last one, "" where there is none; to be freed. */
char *postgres_sql(const char *uri, const char *statements);

#endif
