/* Where the store is, as the subcommands are told. */
#ifndef MKV_LAUNCHER_STORE_OPTION_H
#define MKV_LAUNCHER_STORE_OPTION_H

#include "launcher/options.h"

#define STORE_OPTION(type, field)                                                                  \
    {                                                                                              \
        "store", "URI", NULL, "the database that has the keys, which several indexes may share",   \
            option_set_string, offsetof(type, field)                                               \
    }

/* NULL, or what is wrong with the option's value, without its name. A usage error doesn't quote the
 * value: a password in it is one of the things that may be wrong. */
const char *store_option_problem(const char *uri);

#endif
