/* How a connection is made, by whoever may wait. libpq would try the hosts of a URI in their order,
 * each time, and wait for those that are gone. Here the host that answered last is the first one,
 * each host has a few seconds, and the opening shares out the time that it has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/store/postgres/internal.h"

#define SECONDS_ALONE 5 /* in which the only host of a URI is to answer, */
#define SECONDS_EACH  3 /* or each of several; unless the URI says connect_timeout */
#define SECONDS_LEAST 2 /* libpq takes less for this */

/* --- Hosts ------------------------------------------------------------------------------------ */

enum list { LIST_HOST, LIST_HOSTADDR, LIST_PORT, LISTS };

static const char *const list_names[LISTS] = {"host", "hostaddr", "port"};

/* What a URI says of its hosts. */
struct hosts {
    PQconninfoOption *options;
    const char *lists[LISTS]; /* with commas between their items; NULL: libpq is to know itself */
    unsigned n;
    unsigned seconds; /* that each has; 0: all that there are */
};

struct host {
    char items[LISTS][256]; /* "": libpq is to know itself */
};

static unsigned count_items(const char *list)
{
    unsigned n = 1;

    for (; *list != '\0'; list++)
        n += *list == ',';
    return n;
}

/* False where there is none, or an empty one, for which libpq has a default. */
static bool take_item(const char *list, unsigned at, char item[256])
{
    size_t n;

    for (; at > 0 && list != NULL; at--) {
        list = strchr(list, ',');
        list += list != NULL;
    }
    n = list != NULL ? strcspn(list, ",") : 0;
    if (n == 0 || n > 255)
        return false;
    memcpy(item, list, n);
    item[n] = '\0';
    return true;
}

static bool take_host(const struct hosts *hosts, unsigned at, struct host *host)
{
    memset(host, 0, sizeof(*host));
    for (int list = 0; list < LISTS; list++) {
        const char *items = hosts->lists[list];
        bool is_for_all = list == LIST_PORT && items != NULL && count_items(items) == 1;

        if (items != NULL && !take_item(items, is_for_all ? 0 : at, host->items[list]))
            return false;
    }
    return true;
}

/* What isn't plain is left to libpq, as one host. */
static void leave_to_libpq(struct hosts *hosts)
{
    memset(hosts->lists, 0, sizeof(hosts->lists));
    hosts->n = 1;
}

static void count_hosts(struct hosts *hosts)
{
    const char *list = hosts->lists[LIST_HOSTADDR];
    struct host host;

    if (list == NULL)
        list = hosts->lists[LIST_HOST];
    hosts->n = list != NULL ? count_items(list) : 1;
    for (unsigned i = 0; i < hosts->n && hosts->n > 1; i++) {
        if (!take_host(hosts, i, &host))
            leave_to_libpq(hosts);
    }
    if (hosts->n == 1)
        leave_to_libpq(hosts);
}

static void hosts_init(struct hosts *hosts, const char *uri)
{
    const char *seconds = NULL;

    *hosts = (struct hosts){.options = PQconninfoParse(uri, NULL)};
    for (const PQconninfoOption *o = hosts->options; o != NULL && o->keyword != NULL; o++) {
        for (int list = 0; list < LISTS; list++) {
            if (strcmp(o->keyword, list_names[list]) == 0)
                hosts->lists[list] = o->val;
        }
        if (strcmp(o->keyword, "connect_timeout") == 0)
            seconds = o->val;
    }
    count_hosts(hosts);
    hosts->seconds = hosts->n > 1 ? SECONDS_EACH : SECONDS_ALONE;
    if (seconds != NULL) /* 0 and less, as libpq has it: no end */
        hosts->seconds = (unsigned)(strtol(seconds, NULL, 10) > 0 ? strtol(seconds, NULL, 10) : 0);
}

/* --- One attempt ------------------------------------------------------------------------------ */

static PGconn *connect_to(const struct postgres_engine *e, const struct host *host,
                          unsigned seconds)
{
    char timeout[16];
    const char *const keywords[] = {"dbname",
                                    "host",
                                    "hostaddr",
                                    "port",
                                    "application_name",
                                    "connect_timeout",
                                    "keepalives_idle",
                                    "keepalives_interval",
                                    "keepalives_count",
                                    "tcp_user_timeout",
                                    "client_encoding",
                                    "target_session_attrs",
                                    NULL};
    const char *const values[] = {e->uri,
                                  host->items[LIST_HOST],
                                  host->items[LIST_HOSTADDR],
                                  host->items[LIST_PORT],
                                  "mkv",
                                  timeout,
                                  "5",
                                  "3",
                                  "3",
                                  "10000",
                                  "UTF8",
                                  e->options.only_reads ? "any" : "read-write",
                                  NULL};

    snprintf(timeout, sizeof(timeout), "%u", seconds);
    return PQconnectdbParams(keywords, values, 1);
}

static void note_failure(struct postgres_engine *e, PGconn *pg, char error[256])
{
    if (PQconnectionNeedsPassword(pg)) {
        atomic_store(&e->lacks_password, true);
        snprintf(
            error, 256,
            "it asks for a password: put that into ~/.pgpass, or into the file that PGPASSFILE "
            "names, for the user that mkv runs as to read, and nobody else");
    } else {
        connection_note(error, PQerrorMessage(pg));
    }
}

static PGconn *try_host(struct postgres_engine *e, bool is_lazy, const struct host *host,
                        unsigned seconds, char error[256])
{
    static const char settings[] = "SET search_path = mkv; SET statement_timeout = 12000; "
                                   "SET default_transaction_isolation = 'read committed'";
    static const char durable[] =
        "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') "
        "WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)";
    PGconn *pg = connect_to(e, host, seconds);

    PQsetNoticeReceiver(pg, connection_notice_cb, NULL);
    if (PQstatus(pg) != CONNECTION_OK) {
        note_failure(e, pg, error);
        PQfinish(pg);
        return NULL;
    }
    if (!connection_run(pg, settings, error) ||
        !connection_run(pg, is_lazy || !e->options.sync ? "SET synchronous_commit = off" : durable,
                        error)) {
        PQfinish(pg);
        return NULL;
    }
    return pg;
}

/* --- All of them ------------------------------------------------------------------------------ */

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* For one of so many hosts that are still to be tried. */
static unsigned seconds_for(const struct hosts *hosts, unsigned n, uint64_t until)
{
    uint64_t now = now_ms();
    unsigned share = until > now ? (unsigned)((until - now) / 1000 / n) : 0;

    if (until == 0)
        return hosts->seconds;
    if (share < SECONDS_LEAST)
        share = SECONDS_LEAST;
    return hosts->seconds != 0 && hosts->seconds < share ? hosts->seconds : share;
}

bool connection_has_time(uint64_t until, uint64_t took)
{
    uint64_t longest = SECONDS_LEAST * 1000;

    return until == 0 || now_ms() + (took < longest ? took : longest) <= until;
}

static PGconn *try_hosts(struct postgres_engine *e, bool is_lazy, const struct hosts *hosts,
                         uint64_t until, char error[256])
{
    unsigned first = atomic_load(&e->host) % hosts->n;
    uint64_t slowest = 0;
    PGconn *pg = NULL;

    for (unsigned i = 0; i < hosts->n && pg == NULL; i++) {
        unsigned at = (first + i) % hosts->n;
        uint64_t began = now_ms();
        struct host host;

        if (i > 0 && (atomic_load(&e->is_ending) || !connection_has_time(until, slowest)))
            break;
        take_host(hosts, at, &host);
        pg = try_host(e, is_lazy, &host, seconds_for(hosts, hosts->n - i, until), error);
        if (now_ms() - began > slowest)
            slowest = now_ms() - began;
        if (pg != NULL)
            atomic_store(&e->host, at);
    }
    return pg;
}

PGconn *connection_make(struct postgres_engine *e, bool is_lazy, uint64_t until, char error[256])
{
    struct hosts hosts;
    PGconn *pg;

    hosts_init(&hosts, e->uri);
    pg = try_hosts(e, is_lazy, &hosts, until, error);
    PQconninfoFree(hosts.options);
    return pg;
}
