/* The nginx of a subcommand: which program it is and what its config says. */
#ifndef MKV_LAUNCHER_SITE_H
#define MKV_LAUNCHER_SITE_H

#include "index/base/log.h"
#include "launcher/nginx/account.h"
#include "launcher/nginx/config.h"
#include "launcher/nginx/listeners.h"

#define SITE_VARIABLES_MAX 25
#define SITE_EXTRA_MAX     9 /* of these, those of one subcommand alone */

/* What the user says of nginx. */
struct site_settings {
    const char *program;       /* a path, or a name to search for; NULL: it is not to run */
    const char *version_of;    /* the same, whether it is to run or not: what its config may say */
    const char *template_path; /* or NULL for the one compiled in */
    unsigned workers;          /* processes, 0 for one a CPU */
    const char *access_log;    /* file, or NULL for none */
    enum log_level log_level;
    enum log_format log_format; /* of the access log */
};

/* All is borrowed, as long as the site lives. */
struct site_options {
    struct site_settings settings;
    const char *name;     /* of the subcommand */
    const char *built_in; /* its template */
    const struct account *account;
    const struct listeners *listeners; /* resolved; opened before site_init() if at all */
    const char *must_hold;             /* as config.h has it, or NULL */
    const struct tls *tls; /* read anew at each render: what it says may change between two HUPs */
    struct template_variable extra[SITE_EXTRA_MAX]; /* up to the first without a name */
};

struct site {
    const struct account *account;
    const struct listeners *listeners;
    char *program;     /* path of the nginx executable */
    char *access_log;  /* absolute, or NULL */
    struct buf listen; /* the directives, ending with a NUL */
    struct buf access; /* of the access log, likewise */
    char workers[16];
    char connections[16];
    size_t n_variables;
    struct template_variable variables[SITE_VARIABLES_MAX];
    struct config config;
};

/* Finds nginx and collects the variables. 0, or -errno after one log line. */
int site_init(struct site *site, const struct site_options *options);
void site_deinit(struct site *site);

/* Writes the rendered config to stdout. The exit code. */
int site_print_config(const struct site *site);

/* Has nginx test the rendered config in a prefix directory of its own. The exit code, after one
 * line that says how it went. */
int site_check(const struct site *site);

#endif
