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

int command_inspect(const struct front_options *options)
{
    struct front front;
    int exit_code;

    if (front_init(&front, options) < 0)
        return EXIT_FAILURE;
    exit_code = options->common->print_config ? front_print_config(&front) : front_check(&front);
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
