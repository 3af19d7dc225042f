#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "launcher/commands.h"

#define FILES_ENOUGH   1024
#define FILES_A_CLIENT 2 /* its connection, and the file or the connection that serves it */

bool command_begin(const struct command *command, int argc, char **argv, void *options,
                   int *n_operands, int *exit_code)
{
    const struct basic_options *basic = options;
    int rc;

    *exit_code = options_parse(command, argc, argv, options, n_operands);
    if (*exit_code != 0)
        return false;
    if (basic->help)
        options_print_help(command, stdout);
    if (basic->version)
        puts("mkv " MKV_VERSION);
    if (basic->help || basic->version)
        return false;
    log_set_level(basic->log_level);
    rc = log_open(basic->log);
    if (rc == 0)
        return true;
    log_error("cannot open the log file %s: %s", basic->log, log_open_failure(rc));
    *exit_code = EXIT_FAILURE;
    return false;
}

struct site_settings command_site_settings(const struct common_options *options)
{
    return (struct site_settings){
        .program = options->print_config ? NULL : options->nginx,
        .version_of = options->nginx,
        .template_path = options->template_path,
        .workers = options->workers,
        .access_log = options->access_log,
        .log_level = options->basic.log_level,
    };
}

const char *command_check_tls(const struct common_options *options)
{
    if (options->tls_cert != NULL && options->tls_key == NULL)
        return "--tls-cert needs --tls-key, the file of the certificate's key";
    if (options->tls_key != NULL && options->tls_cert == NULL)
        return "--tls-key needs --tls-cert, the file of the key's certificate";
    return NULL;
}

static int check(const struct site_options *options)
{
    struct site_options o = *options;
    struct listeners own = {.n = 1};
    struct site site;
    unsigned port;
    int exit_code;

    /* nginx -t opens the ports to listen on, unless they are taken; below 1024 that needs root,
     * which nginx isn't. So it gets another one. */
    if (o.account->privileged && listeners_open_private(&own.items[0], &port) < 0)
        return EXIT_FAILURE;
    if (o.account->privileged)
        o.listeners = &own;
    exit_code = EXIT_FAILURE;
    if (site_init(&site, &o) == 0) {
        exit_code = site_check(&site);
        site_deinit(&site);
    }
    if (o.account->privileged)
        listeners_close(&own);
    return exit_code;
}

int command_inspect(const struct site_options *options)
{
    struct site site;
    int exit_code;

    if (options->settings.program != NULL)
        return check(options);
    if (site_init(&site, options) < 0)
        return EXIT_FAILURE;
    exit_code = site_print_config(&site);
    site_deinit(&site);
    return exit_code;
}

/* main() has raised the soft limit to the hard one. */
static void warn_of_few_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_ENOUGH)
        return;
    log_warn("no more than %lu files can be open at once: that is about %lu clients, and more wait "
             "or are turned away; raise the hard limit (ulimit -Hn) to %d or more",
             limit.rlim_cur, limit.rlim_cur / FILES_A_CLIENT, FILES_ENOUGH);
}

int command_serve(const struct site_options *options, const struct service_options *service)
{
    struct service_options complete = *service;
    struct site site;
    int exit_code;

    warn_of_few_files();
    if (site_init(&site, options) < 0)
        return EXIT_FAILURE;
    complete.site = &site;
    exit_code = service_run(&complete);
    site_deinit(&site);
    return exit_code;
}
