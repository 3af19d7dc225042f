/* `mkv index`: the index server on our loop, and nginx in front of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/server.h"
#include "launcher/commands.h"
#include "launcher/index_dir.h"
#include "launcher/prefix.h"

struct index_options {
    struct common_options common;
    struct address listen;
    struct address direct; /* port 0: not published */
    const char *directory;
    const char *fallback;
    unsigned subvolumes;
    bool no_md5;
    bool no_sync;
    bool protect;
};

static const struct option index_option_table[] = {
    {"port", "[ADDR:]PORT", "3000", "where clients connect", option_set_listen,
     offsetof(struct index_options, listen)},
    INDEX_DIR_OPTION(struct index_options, directory),
    {"subvolumes", "N", "1", "directories that each volume is split in, up to 256",
     option_set_subvolumes, offsetof(struct index_options, subvolumes)},
    {"fallback", "HOST:PORT", NULL, "where a GET of a missing key is sent", option_set_address,
     offsetof(struct index_options, fallback)},
    {"no-md5", NULL, NULL, "keep no MD5 of the values", option_set_bool,
     offsetof(struct index_options, no_md5)},
    {"protect", NULL, NULL, "refuse to delete a key that was not unlinked before", option_set_bool,
     offsetof(struct index_options, protect)},
    {"no-sync", NULL, NULL,
     "don't wait for the disk: faster, but a power cut loses the last changes", option_set_bool,
     offsetof(struct index_options, no_sync)},
    {"direct", "[ADDR:]PORT", NULL, "serve the index without nginx here, too", option_set_listen,
     offsetof(struct index_options, direct)},
    COMMON_OPTIONS,
};

const struct command index_command = {
    .name = "index",
    .operands = "VOLUME...",
    .summary = "Run the index of the given volumes, each HOST:PORT.",
    .details = "A volume's name decides which keys it holds: give the same names in every run.\n",
    .options = index_option_table,
    .n_options = sizeof(index_option_table) / sizeof(index_option_table[0]),
};

/* The index server and the sockets it is to take over. */
struct backend {
    struct index_server_options options;
    struct listener private; /* where our nginx connects */
    unsigned port;           /* of it */
    struct listeners direct;
    int fds[LISTENERS_MAX + 1];
    struct index_server *server;
};

static int check_volumes(char *const *volumes, int n)
{
    if (n == 0)
        return options_usage_error(&index_command, "index takes at least one VOLUME");
    for (int i = 0; i < n; i++) {
        struct address address;

        if (address_parse(volumes[i], false, &address) < 0)
            return options_usage_error(&index_command, "the volume '%s' is no HOST:PORT",
                                       volumes[i]);
        for (int j = 0; j < i; j++) {
            if (strcasecmp(volumes[i], volumes[j]) == 0)
                return options_usage_error(&index_command, "the volume %s is given twice",
                                           volumes[i]);
        }
    }
    return 0;
}

static void forget_sockets(struct backend *b)
{
    b->private.fd = -1;
    for (size_t i = 0; i < b->direct.n; i++)
        b->direct.items[i].fd = -1;
}

static void close_sockets(struct backend *b)
{
    if (b->private.fd >= 0)
        close(b->private.fd);
    listeners_close(&b->direct);
    forget_sockets(b);
}

static int open_sockets(const struct index_options *o, struct backend *b)
{
    int rc = listeners_open_private(&b->private, &b->port);

    if (rc == 0 && o->direct.port != 0)
        rc = listeners_resolve(&o->direct, &b->direct);
    if (rc == 0 && o->direct.port != 0)
        rc = listeners_open(&b->direct);
    if (rc < 0) {
        close_sockets(b);
        return rc;
    }
    b->fds[0] = b->private.fd;
    for (size_t i = 0; i < b->direct.n; i++)
        b->fds[i + 1] = b->direct.items[i].fd;
    b->options.listeners = b->fds;
    b->options.n_listeners = b->direct.n + 1;
    return 0;
}

static int backend_start(uv_loop_t *loop, void *arg)
{
    struct backend *b = arg;
    int rc = index_server_start(loop, &b->options, &b->server);

    if (rc == 0)
        forget_sockets(b);
    return rc;
}

static void backend_drain(void *arg)
{
    struct backend *b = arg;

    index_server_close_public(b->server);
}

static void backend_stop(void *arg, unsigned drain_ms, service_stopped_cb cb, void *cb_arg)
{
    struct backend *b = arg;

    index_server_stop(b->server, drain_ms, cb, cb_arg);
}

/* Makes the index directory and nginx's place in it, which nginx runs in: as another user it could
 * not come by its path. */
static int open_directory(const char *path, const struct account *account, char **absolute,
                          struct prefix *prefix)
{
    char *real;
    int fd;
    int rc = index_dir_make(path, &real, &fd);

    if (rc < 0)
        return rc;
    rc = prefix_open(fd, "nginx", real, account, prefix);
    close(fd);
    if (rc < 0)
        free(real);
    else
        *absolute = real;
    return rc;
}

/* Renders `port` to `text`, of which the result keeps a pointer. */
static struct site_options site_options_of(const struct index_options *options,
                                           const struct account *account,
                                           const struct listeners *listeners, unsigned port,
                                           char text[32])
{
    snprintf(text, 32, "127.0.0.1:%u", port);
    return (struct site_options){
        .common = &options->common,
        .name = index_command.name,
        .built_in = template_index,
        .account = account,
        .listeners = listeners,
        .extra = {{"BACKEND", TEMPLATE_RAW, text}},
    };
}

static int run(const struct index_options *options, const struct account *account,
               const struct prefix *prefix, struct backend *b, struct listeners *listeners)
{
    char text[32];
    const struct site_options site = site_options_of(options, account, listeners, b->port, text);
    const struct service_backend backend = {
        .start = backend_start, .drain = backend_drain, .stop = backend_stop, .arg = b};
    const struct service_options service = {
        .title = "index",
        .prefix = prefix,
        .listeners = listeners,
        .drain_ms = options->common.drain_ms,
        .backend = &backend,
    };

    return command_serve(&site, &service);
}

static int serve(const struct index_options *options, const struct account *account,
                 char *const *volumes, int n, struct listeners *listeners)
{
    struct backend b = {
        .options = {.volumes = (const char *const *)volumes,
                    .n_volumes = (size_t)n,
                    .subvolumes = options->subvolumes,
                    .fallback = options->fallback,
                    .protect = options->protect,
                    .sync = !options->no_sync,
                    .md5 = !options->no_md5},
        .private = {.fd = -1},
    };
    struct prefix prefix;
    char *directory = NULL;
    int exit_code = EXIT_FAILURE;

    if (open_directory(options->directory, account, &directory, &prefix) < 0)
        return EXIT_FAILURE;
    b.options.directory = directory;
    if (listeners_open(listeners) < 0)
        goto close_directory;
    if (open_sockets(options, &b) < 0)
        goto close_listeners;
    exit_code = run(options, account, &prefix, &b, listeners);
    close_sockets(&b);
close_listeners:
    listeners_close(listeners);
close_directory:
    prefix_close(&prefix);
    free(directory);
    return exit_code;
}

int index_main(int argc, char **argv)
{
    struct index_options options = {.common = {.check = false}};
    struct site_options site;
    struct listeners listeners;
    struct account account;
    char text[32];
    int exit_code;
    int n;

    if (!command_begin(&index_command, argc, argv, &options, &n, &exit_code))
        return exit_code;
    exit_code = check_volumes(argv, n);
    if (exit_code != 0)
        return exit_code;
    if (account_choose(options.common.user, 0, &account) < 0 ||
        listeners_resolve(&options.listen, &listeners) < 0)
        return EXIT_FAILURE;
    if (!options.common.check && !options.common.print_config)
        return serve(&options, &account, argv, n, &listeners);
    /* The backend's port is picked at the start of a run; here any will do. */
    site = site_options_of(&options, &account, &listeners, 1, text);
    return command_inspect(&site);
}
