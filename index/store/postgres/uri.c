#include "index/store/postgres/uri.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <string.h>

static bool has_scheme(const char *uri)
{
    static const char *const schemes[] = {"postgresql://", "postgres://"};

    for (unsigned i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncmp(uri, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

/* Also sslpassword, which opens a client's key. */
static bool has_password(const PQconninfoOption *options)
{
    for (; options->keyword != NULL; options++)
        if (strstr(options->keyword, "password") != NULL && options->val != NULL)
            return true;
    return false;
}

/* libpq says what is wrong with a URI, and quotes it, so that isn't passed on. */
const char *postgres_uri_problem(const char *uri)
{
    PQconninfoOption *options;
    const char *problem = NULL;

    if (!has_scheme(uri))
        return "must be postgresql://..., the URI of a database; without it, the store is in the "
               "directory --index";
    options = PQconninfoParse(uri, NULL);
    if (options == NULL)
        return "must be postgresql://[USER@][HOST[:PORT][,...]][/DATABASE][?NAME=VALUE[&...]], "
               "which libpq takes";
    if (has_password(options))
        problem = "must not say a password, which others would see: put it into ~/.pgpass, or into "
                  "a file that PGPASSFILE names";
    PQconninfoFree(options);
    return problem;
}
