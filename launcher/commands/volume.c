/* `mkv volume`: nginx with its WebDAV module over one directory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/commands.h"
#include "launcher/volume/volume_dir.h"
#include "launcher/volume/volume_server.h"

struct volume_options {
    struct common_options common;
};

static const struct option volume_option_table[] = {COMMON_OPTIONS};

const struct command volume_command = {
    .name = "volume",
    .operands = "PORT DIR",
    .summary = "Serve the blobs in DIR on PORT, or on ADDR:PORT.",
    .details = "DIR is created when missing. Started by root, nginx runs as the owner of DIR,\n"
               "or as www-data where that is root.\n",
    .options = volume_option_table,
    .n_options = sizeof(volume_option_table) / sizeof(volume_option_table[0]),
};

/* What answers /_mkv/sync. */
struct backend {
    const struct volume_dir *dir;
    struct prefix nginx; /* where nginx runs, */
    struct prefix at;    /* and where the socket is; both borrowed from `dir` */
    char *socket_name;   /* of it, for nginx */
    int socket;          /* -1 when the server has it */
    struct volume_server *server;
};

static int backend_start(uv_loop_t *loop, void *arg)
{
    struct backend *b = arg;
    int rc = volume_server_start(loop, b->socket, b->dir, &b->server);

    if (rc == 0)
        b->socket = -1;
    return rc;
}

/* All its clients come through nginx. */
static void backend_drain(void *arg)
{
    (void)arg;
}

static void backend_stop(void *arg, unsigned drain_ms, service_stopped_cb cb, void *cb_arg)
{
    struct backend *b = arg;

    volume_server_stop(b->server, drain_ms, cb, cb_arg);
}

/* nginx serves the directory above the one that it runs in, whatever is at its path by now: mkv
 * holds that one, and it stays the volume's own when the disk is unmounted or DIR moved away. */
static struct site_options site_options_of(const struct volume_options *options,
                                           const struct volume_dir *dir, const char *socket_name,
                                           const struct listeners *listeners)
{
    return (struct site_options){
        .settings = command_site_settings(&options->common),
        .name = volume_command.name,
        .built_in = template_volume,
        .account = &dir->account,
        .listeners = listeners,
        .extra = {{"ROOT", TEMPLATE_STRING, dir->prefix.read_only ? dir->path : ".."},
                  {"VOLUME_ID", TEMPLATE_STRING, dir->id},
                  {"SYNC_SOCKET", TEMPLATE_STRING, socket_name}},
    };
}

/* nginx runs in .mkv, and by a relative path the socket can lie deep. What can't be in .mkv is in
 * the scratch directory. */
static int backend_init(struct backend *b, const struct volume_dir *dir)
{
    *b = (struct backend){.dir = dir, .nginx = dir->prefix, .at = dir->prefix, .socket = -1};
    if (dir->scratch.path != NULL) {
        b->at.path = dir->scratch.path;
        b->at.fd = dir->scratch.fd;
    }
    if (dir->prefix.read_only)
        b->nginx = b->at;
    if (b->nginx.fd == b->at.fd)
        b->socket_name = strdup("unix:" VOLUME_SOCKET);
    else if (asprintf(&b->socket_name, "unix:%s/" VOLUME_SOCKET, b->at.path) < 0)
        b->socket_name = NULL;
    return b->socket_name != NULL ? 0 : -ENOMEM;
}

static int inspect(const struct volume_options *options, const char *path,
                   const struct listeners *listeners)
{
    struct site_options site;
    struct volume_dir dir;
    int exit_code;

    if (volume_dir_inspect(path, options->common.user, &dir) < 0)
        return EXIT_FAILURE;
    site = site_options_of(options, &dir, "unix:" VOLUME_SOCKET, listeners);
    exit_code = command_inspect(&site);
    volume_dir_close(&dir);
    return exit_code;
}

static int run(const struct volume_options *options, struct backend *b, struct listeners *listeners)
{
    const struct site_options site = site_options_of(options, b->dir, b->socket_name, listeners);
    const struct service_backend backend = {
        .start = backend_start, .drain = backend_drain, .stop = backend_stop, .arg = b};
    struct service_options service = {
        .prefix = &b->nginx,
        .listeners = listeners,
        .drain_ms = options->common.drain_ms,
        .backend = &backend,
    };
    int exit_code = EXIT_FAILURE;
    char *title;

    if (asprintf(&title, "volume %s", b->dir->path) < 0) {
        log_error("cannot serve %s: %s", b->dir->path, strerror(ENOMEM));
        return EXIT_FAILURE;
    }
    service.title = title;
    if (volume_server_listen(&b->at, &b->dir->account, &b->socket) == 0) {
        exit_code = command_serve(&site, &service);
        if (b->socket >= 0)
            close(b->socket);
        volume_server_unlink(&b->at);
    }
    free(title);
    return exit_code;
}

static int serve(const struct volume_options *options, const char *path,
                 struct listeners *listeners)
{
    struct volume_dir dir;
    struct backend b;
    int exit_code = EXIT_FAILURE;

    if (volume_dir_open(path, options->common.user, &dir) < 0)
        return EXIT_FAILURE;
    if (backend_init(&b, &dir) < 0) {
        log_error("cannot serve %s: %s", dir.path, strerror(ENOMEM));
    } else if (listeners_open(listeners) == 0) {
        exit_code = run(options, &b, listeners);
        listeners_close(listeners);
    }
    free(b.socket_name);
    volume_dir_close(&dir);
    return exit_code;
}

int volume_main(int argc, char **argv)
{
    struct volume_options options = {.common = {.check = false}};
    struct listeners listeners;
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
    return serve(&options, argv[1], &listeners);
}
