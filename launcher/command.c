#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "launcher/commands.h"
#include "launcher/nginx/access_log.h"
#include "launcher/nginx/files.h"

#define FILES_ENOUGH   1024
#define FILES_A_CLIENT 2 /* its connection, and the file or the connection that serves it */

bool command_begin(const struct command *command, int argc, char ***argv, void *options,
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
    log_set_format(basic->log_format);
    rc = log_open(basic->log);
    if (rc == 0)
        return true;
    log_error("cannot open the log file %s: %s", basic->log, log_open_failure(rc));
    *exit_code = EXIT_FAILURE;
    return false;
}

/* Where root's log files are to be the account's, for nginx and for a USR1 to open. */
static int give_logs(const struct common_options *options, const struct account *account)
{
    char *access_log;
    int rc = 0;

    if (!account->privileged)
        return 0;
    if (options->basic.log != NULL)
        rc = access_log_give_own(options->basic.log, account);
    if (rc < 0)
        log_warn("cannot give the log file %s to %s: %s", options->basic.log, account->user,
                 strerror(-rc));
    if (options->access_log == NULL)
        return 0;
    access_log = files_make_absolute(options->access_log);
    if (access_log == NULL) {
        log_error("cannot find the access log %s: %s", options->access_log, strerror(errno));
        return -EINVAL;
    }
    rc = access_log_prepare(access_log, account);
    free(access_log);
    return rc;
}

/* What root could read and open may be closed to its account. A file that isn't there is refused by
 * who reads it. */
static void warn_of_closed_files(const struct common_options *options,
                                 const struct account *account, const char *const *files,
                                 size_t n_files)
{
    for (size_t i = 0; i < n_files; i++) {
        if (files[i] != NULL && access(files[i], R_OK) < 0 && errno != ENOENT)
            log_warn("%s, whom mkv runs as, cannot read %s (%s): a HUP will change nothing",
                     account->user, files[i], strerror(errno));
    }
    if (options->basic.log != NULL && access(options->basic.log, W_OK) < 0)
        log_warn("%s, whom mkv runs as, cannot open the log file %s (%s): a USR1 will change "
                 "nothing",
                 account->user, options->basic.log, strerror(errno));
}

int command_narrow(const struct common_options *options, struct account *account,
                   const char *const *files, size_t n_files)
{
    bool was_root = account->privileged;
    int rc = give_logs(options, account);

    /* Everything that needs root happens above this line. */
    if (rc == 0)
        rc = account_become(account);
    if (rc < 0)
        return rc;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        rc = -errno;
        log_error("cannot set no_new_privs: %s", strerror(-rc));
        return rc;
    }
    if (was_root)
        warn_of_closed_files(options, account, files, n_files);
    return 0;
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
        .log_format = options->basic.log_format,
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
