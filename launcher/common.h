/* The options that subcommands share. The struct of every subcommand begins with a struct
 * basic_options, and its option table ends with BASIC_OPTIONS; of one with an nginx child it is a
 * struct common_options, and COMMON_OPTIONS. */
#ifndef MKV_LAUNCHER_COMMON_H
#define MKV_LAUNCHER_COMMON_H

#include "index/base/log.h"
#include "launcher/options.h"

struct basic_options {
    bool help;
    bool version;
    const char *config; /* the file of options, or NULL */
    const char *log;    /* file of our lines and nginx's, or NULL for stderr */
    enum log_level log_level;
    enum log_format log_format;
};

struct common_options {
    struct basic_options basic;
    bool check;                /* test the config and exit */
    bool print_config;         /* write the config to stdout and exit */
    const char *template_path; /* or NULL for the one compiled in */
    const char *nginx;         /* a path, or a name to search for */
    unsigned workers;          /* nginx worker processes, 0 for one a CPU */
    const char *user;          /* to run as, or NULL; only root can choose */
    const char *access_log;    /* file of nginx's access log, or NULL for none */
    const char *tls_cert;      /* what nginx speaks TLS with, or NULL: it doesn't */
    const char *tls_key;       /* likewise */
    unsigned drain_ms;         /* how long a stop waits for requests in flight */
};

#define COMMON_OPTION(name, argument, initial, help, set, field)                                   \
    {                                                                                              \
        name, argument, initial, help, set, offsetof(struct common_options, field)                 \
    }

/* clang-format off */
#define BASIC_OPTIONS \
    {"config", "FILE", NULL, "read options from FILE, one a line, without the dashes", \
     option_set_config, offsetof(struct basic_options, config)}, \
    {"help", NULL, NULL, "print this text and exit", option_set_action, \
     offsetof(struct basic_options, help)}, \
    {"version", NULL, NULL, "print the version and exit", option_set_action, \
     offsetof(struct basic_options, version)}

#define COMMON_OPTIONS \
    COMMON_OPTION("template", "FILE", NULL, "nginx template to use instead of the built-in one", \
                  option_set_string, template_path), \
    COMMON_OPTION("nginx", "PATH", "nginx", "nginx program to run", option_set_string, nginx), \
    COMMON_OPTION("workers", "N", "auto", "nginx worker processes; auto is one for each CPU", \
                  option_set_workers, workers), \
    COMMON_OPTION("user", "NAME", NULL, "user to run as, when started by root", \
                  option_set_string, user), \
    COMMON_OPTION("log", "FILE", NULL, "log to FILE instead of stderr; USR1 opens it anew", \
                  option_set_string, basic.log), \
    COMMON_OPTION("log-level", "LEVEL", "info", "debug, info, warn or error", \
                  option_set_log_level, basic.log_level), \
    COMMON_OPTION("log-format", "FORMAT", "text", "text, or json: an object a line, in both logs", \
                  option_set_log_format, basic.log_format), \
    COMMON_OPTION("access-log", "FILE", NULL, "write nginx's access log to FILE", \
                  option_set_string, access_log), \
    COMMON_OPTION("tls-cert", "FILE", NULL, \
                  "speak TLS with this certificate and its chain; HUP reads it anew", \
                  option_set_string, tls_cert), \
    COMMON_OPTION("tls-key", "FILE", NULL, "the certificate's private key", option_set_string, \
                  tls_key), \
    COMMON_OPTION("drain-timeout", "SECONDS", "30", "how long a stop waits for open requests", \
                  option_set_seconds, drain_ms), \
    COMMON_OPTION("check", NULL, NULL, "test the nginx config and exit", option_set_action, check), \
    COMMON_OPTION("print-config", NULL, NULL, "print the nginx config and exit", \
                  option_set_action, print_config), \
    BASIC_OPTIONS
/* clang-format on */

#endif
