#include <stdlib.h>
#include <string.h>

#include "launcher/commands.h"

bool command_begin(const struct command *command, int argc, char **argv, void *options,
                   int *n_operands, int *exit_code)
{
    const struct common_options *common = options;
    int rc;

    *exit_code = options_parse(command, argc, argv, options, n_operands);
    if (*exit_code != 0)
        return false;
    if (common->help)
        options_print_help(command, stdout);
    if (common->version)
        puts("mkv " MKV_VERSION);
    if (common->help || common->version)
        return false;
    log_set_level(common->log_level);
    rc = log_open(common->log);
    if (rc == 0)
        return true;
    log_error("cannot open the log file %s: %s", common->log, strerror(-rc));
    *exit_code = EXIT_FAILURE;
    return false;
}

static int check(const struct front_options *options)
{
    struct front_options o = *options;
    struct listeners own = {.n = 1};
    struct front front;
    unsigned port;
    int exit_code;

    /* nginx -t opens the ports to listen on, unless they are taken; below 1024 that needs root,
     * which nginx isn't. So it gets another one. */
    if (o.account->privileged && listeners_open_private(&own.items[0], &port) < 0)
        return EXIT_FAILURE;
    if (o.account->privileged)
        o.listeners = &own;
    exit_code = EXIT_FAILURE;
    if (front_init(&front, &o) == 0) {
        exit_code = front_check(&front);
        front_deinit(&front);
    }
    if (o.account->privileged)
        listeners_close(&own);
    return exit_code;
}

int command_inspect(const struct front_options *options)
{
    struct front front;
    int exit_code;

    if (!options->common->print_config)
        return check(options);
    if (front_init(&front, options) < 0)
        return EXIT_FAILURE;
    exit_code = front_print_config(&front);
    front_deinit(&front);
    return exit_code;
}

int command_serve(const struct front_options *options, const struct service_options *service)
{
    struct service_options complete = *service;
    struct front front;
    int exit_code;

    if (front_init(&front, options) < 0)
        return EXIT_FAILURE;
    complete.front = &front;
    exit_code = service_run(&complete);
    front_deinit(&front);
    return exit_code;
}
