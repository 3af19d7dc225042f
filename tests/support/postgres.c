#include "tests/support/postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/storebox.h"

#define START_SECONDS 60
#define POLL_NS       5000000 /* its socket is there before it answers, so it has to be asked */

struct postgres_server {
    char dir[64]; /* with its socket, its log, and its data in data/ */
    char *option;
    pid_t pid;
    unsigned databases; /* that were made */
};

static void show_log(const struct postgres_server *server)
{
    char path[PATH_MAX];
    char line[1024];
    FILE *log;

    snprintf(path, sizeof(path), "%s/log", server->dir);
    log = fopen(path, "re");
    while (log != NULL && fgets(line, sizeof(line), log) != NULL)
        fprintf(stderr, "postgres: %s", line);
    if (log != NULL)
        fclose(log);
}

/* The child: its output goes to the log, and it becomes the script, which becomes the server. */
static void become_server(const struct postgres_server *server)
{
    char path[PATH_MAX];
    int fd;

    snprintf(path, sizeof(path), "%s/log", server->dir);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(127);
    setenv("MKV_POSTGRES_DIES", "1", 1);
    execl(POSTGRES_SCRIPT, POSTGRES_SCRIPT, server->dir, server->option, (char *)NULL);
    _exit(127);
}

static void write_uri(const struct postgres_server *server, const char *database,
                      char uri[POSTGRES_URI_MAX])
{
    int n =
        snprintf(uri, POSTGRES_URI_MAX, "postgresql://postgres@/%s?host=%s", database, server->dir);

    STOREBOX_CHECK(n < POSTGRES_URI_MAX, "%s is too long", server->dir);
}

static void start(struct postgres_server *server)
{
    const struct timespec while_it_starts = {.tv_nsec = POLL_NS};
    time_t until = time(NULL) + START_SECONDS;
    char uri[POSTGRES_URI_MAX];
    bool is_up = false;

    server->pid = fork();
    STOREBOX_CHECK(server->pid >= 0, "fork: %s", strerror(errno));
    if (server->pid == 0)
        become_server(server);
    write_uri(server, "postgres", uri);
    while (!is_up && time(NULL) < until && waitpid(server->pid, NULL, WNOHANG) == 0) {
        nanosleep(&while_it_starts, NULL);
        is_up = PQping(uri) == PQPING_OK;
    }
    if (!is_up)
        show_log(server);
    STOREBOX_CHECK(is_up, "PostgreSQL in %s doesn't start", server->dir);
}

static void end(struct postgres_server *server, int signal)
{
    kill(server->pid, signal);
    STOREBOX_CHECK(waitpid(server->pid, NULL, 0) == server->pid, "%s", strerror(errno));
}

struct postgres_server *postgres_server_start(const char *option)
{
    struct postgres_server *server = calloc(1, sizeof(*server));

    STOREBOX_CHECK(server != NULL, "out of memory");
    storebox_make_scratch(server->dir, sizeof(server->dir), "postgres");
    server->option = option != NULL ? strdup(option) : NULL;
    start(server);
    return server;
}

void postgres_server_restart(struct postgres_server *server)
{
    end(server, SIGINT);
    start(server);
}

/* All of its processes end at once, as they do when one of them crashes: what isn't on disk is
 * lost. */
void postgres_server_crash(struct postgres_server *server)
{
    end(server, SIGQUIT);
    start(server);
}

void postgres_server_stop(struct postgres_server *server)
{
    char command[128];

    if (server == NULL)
        return;
    end(server, SIGQUIT); /* its files go, so they need not be whole */
    snprintf(command, sizeof(command), "rm -rf '%s'", server->dir);
    /* The path is of our making. */
    STOREBOX_CHECK(system(command) == 0, "%s", command); // NOLINT(cert-env33-c)
    free(server->option);
    free(server);
}

void postgres_server_new_database(struct postgres_server *server, char uri[POSTGRES_URI_MAX])
{
    char statement[64];
    char name[16];

    write_uri(server, "postgres", uri);
    snprintf(name, sizeof(name), "db%u", ++server->databases);
    snprintf(statement, sizeof(statement), "CREATE DATABASE %s", name);
    free(postgres_sql(uri, statement));
    write_uri(server, name, uri);
}

char *postgres_sql(const char *uri, const char *statements)
{
    PGconn *connection = PQconnectdb(uri);
    PGresult *result;
    char *value;

    STOREBOX_CHECK(PQstatus(connection) == CONNECTION_OK, "%s", PQerrorMessage(connection));
    result = PQexec(connection, statements);
    STOREBOX_CHECK(PQresultStatus(result) == PGRES_TUPLES_OK ||
                       PQresultStatus(result) == PGRES_COMMAND_OK,
                   "%s: %s", statements, PQerrorMessage(connection));
    value = strdup(PQntuples(result) > 0 && PQnfields(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    STOREBOX_CHECK(value != NULL, "out of memory");
    PQclear(result);
    PQfinish(connection);
    return value;
}
