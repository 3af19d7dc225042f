#include "launcher/store_option.h"

#ifdef MKV_POSTGRES
#include "index/store/postgres/uri.h"
#endif

const char *store_option_problem(const char *uri)
{
#ifdef MKV_POSTGRES
    return postgres_uri_problem(uri);
#else
    (void)uri;
    return "takes a database, and this mkv was built without PostgreSQL";
#endif
}
