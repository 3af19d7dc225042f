/* `mkv volume`: nginx with its WebDAV module over one directory. */
#include <stdio.h>
#include <stdlib.h>

#include "launcher/commands.h"
#include "launcher/service.h"
#include "launcher/volume_dir.h"

struct volume_options {
    struct common_options common;
};

static const struct option volume_option_table[] = {COMMON_OPTIONS};

const struct command volume_command = {
    .name = "volume",
    .operands = "PORT DIR",
    .summary = "Serve the blobs in DIR on PORT, or on ADDR:PORT.",
    .details =
        "DIR is created when missing. Started by root, nginx workers run as the owner of DIR,\n"
        "or as www-data where that is root.\n",
    .options = volume_option_table,
    .n_options = sizeof(volume_option_table) / sizeof(volume_option_table[0]),
};

static struct front_options front_options_of(const struct volume_options *options,
                                             const struct volume_dir *dir,
                                             const struct listeners *listeners)
{
    return (struct front_options){
        .common = &options->common,
        .name = volume_command.name,
        .built_in = template_volume,
        .account = &dir->account,
        .listeners = listeners,
        .extra = {{"ROOT", TEMPLATE_STRING, dir->path}, {"VOLUME_ID", TEMPLATE_STRING, dir->id}},
    };
}

/* --print-config and --check. */
static int inspect(const struct volume_options *options, const char *path,
                   const struct listeners *listeners)
{
    struct front_options front_options;
    struct volume_dir dir;
    struct front front;
    int exit_code = EXIT_FAILURE;

    if (volume_dir_inspect(path, options->common.user, &dir) < 0)
        return EXIT_FAILURE;
    front_options = front_options_of(options, &dir, listeners);
    if (front_init(&front, &front_options) == 0) {
        exit_code = options->common.print_config ? front_print_config(&front) : front_check(&front);
        front_deinit(&front);
    }
    volume_dir_close(&dir);
    return exit_code;
}

static int serve(const struct volume_options *options, const struct volume_dir *dir,
                 struct listeners *listeners)
{
    struct front_options front_options = front_options_of(options, dir, listeners);
    struct service_options service = {
        .prefix = &dir->prefix,
        .listeners = listeners,
        .drain_ms = options->common.drain_ms,
    };
    struct front front;
    char *title;
    int exit_code;

    if (front_init(&front, &front_options) < 0)
        return EXIT_FAILURE;
    if (asprintf(&title, "volume %s", dir->path) < 0) {
        front_deinit(&front);
        return EXIT_FAILURE;
    }
    service.title = title;
    service.front = &front;
    exit_code = service_run(&service);
    free(title);
    front_deinit(&front);
    return exit_code;
}

int volume_main(int argc, char **argv)
{
    struct volume_options options = {.common = {.help = false}};
    struct listeners listeners;
    struct volume_dir dir;
    struct address address;
    int exit_code;
    int n;

    if (!command_begin(&volume_command, argc, argv, &options, &n, &exit_code))
        return exit_code;
    if (n != 2)
        return options_usage_error(&volume_command, "volume takes PORT and DIR");
    if (address_parse(argv[0], true, &address) < 0)
        return options_usage_error(&volume_command, "'%s' is no PORT or ADDR:PORT", argv[0]);
    if (argv[1][0] == '\0')
        return options_usage_error(&volume_command, "DIR must not be empty");
    if (listeners_resolve(&address, &listeners) < 0)
        return EXIT_FAILURE;
    if (options.common.check || options.common.print_config)
        return inspect(&options, argv[1], &listeners);
    if (volume_dir_open(argv[1], options.common.user, &dir) < 0)
        return EXIT_FAILURE;
    exit_code = EXIT_FAILURE;
    if (listeners_open(&listeners) == 0)
        exit_code = serve(&options, &dir, &listeners);
    listeners_close(&listeners);
    volume_dir_close(&dir);
    return exit_code;
}
