/* `mkv volume`: nginx with its WebDAV module over one directory. */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/access/secret.h"
#include "launcher/commands.h"
#include "launcher/commands/ticket_maps.h"
#include "launcher/volume/volume_dir.h"
#include "launcher/volume/volume_process.h"
#include "launcher/volume/volume_server.h"

struct volume_options {
    struct common_options common;
    const char *secret_file; /* or NULL: it obeys everybody */
    const char *tls_client_ca;
    struct address admin; /* port 0: none */
};

static const struct option volume_option_table[] = {
    {"secret-file", "FILE", NULL, "the secret that an index and its volumes share",
     option_set_string, offsetof(struct volume_options, secret_file)},
    {"tls-client-ca", "FILE", NULL,
     "refuse clients without a certificate of these authorities; HUP reads it anew",
     option_set_string, offsetof(struct volume_options, tls_client_ca)},
    {"admin", "[ADDR:]PORT", NULL, "show how it is here; only to this machine, unless with ADDR",
     option_set_admin, offsetof(struct volume_options, admin)},
    COMMON_OPTIONS,
};

const struct command volume_command = {
    .name = "volume",
    .operands = "PORT DIR",
    .summary = "Serve the blobs in DIR on PORT, or on ADDR:PORT.",
    .details = "DIR is created when missing. Started by root, it runs as the owner of DIR,\n"
               "or as www-data if that is root.\n",
    .options = volume_option_table,
    .n_options = sizeof(volume_option_table) / sizeof(volume_option_table[0]),
};

/* By what others know the volume, and it knows others: read as root, if root started mkv, and again
 * at each HUP. */
struct credentials {
    struct secrets secrets; /* by which it obeys; none: it obeys everybody */
    struct tls tls;
};

/* What answers /_mkv/sync. */
struct backend {
    const struct volume_dir *dir;
    struct prefix nginx;           /* where nginx runs, */
    struct prefix at;              /* and where the socket is; both borrowed from `dir` */
    char *socket_name;             /* of it, for nginx */
    struct volume_sockets sockets; /* of the volume's own server */
    struct volume_process process;
    const struct volume_options *given;
    struct credentials *credentials;
    char tickets[TICKET_MAPS_SIZE]; /* for the template, which reads it at each HUP */
};

static int read_secrets(const struct volume_options *options, struct secrets *secrets)
{
    char why[SECRET_WHY_SIZE];
    int rc;

    if (options->secret_file == NULL)
        return 0;
    rc = secrets_read(options->secret_file, secrets, why);
    if (rc < 0)
        log_error("the secret can't be used: %s", why);
    return rc;
}

/* Reads those of which there are files. 0, or a negative error after one log line, with nothing
 * changed. */
static int credentials_load(struct credentials *c, const struct volume_options *options)
{
    struct secrets secrets = {.n = 0};
    int rc = read_secrets(options, &secrets);

    c->tls.paths = (struct tls_paths){.certificate = options->common.tls_cert,
                                      .key = options->common.tls_key,
                                      .authorities = options->tls_client_ca};
    if (rc == 0)
        rc = tls_load(&c->tls);
    if (rc == 0)
        c->secrets = secrets;
    secrets_deinit(&secrets);
    return rc;
}

static void credentials_deinit(struct credentials *c)
{
    secrets_deinit(&c->secrets);
    tls_unload(&c->tls);
}

static int backend_start(struct children *children, void *arg)
{
    struct backend *b = arg;

    volume_process_set_expiry(&b->process, b->credentials->tls.files.expires);
    return volume_process_start(&b->process, children, b->dir, &b->sockets,
                                b->given->common.basic.log_level);
}

static int backend_reload(void *arg)
{
    struct backend *b = arg;
    int rc = credentials_load(b->credentials, b->given);

    if (rc < 0)
        return rc;
    ticket_maps_render(&b->credentials->secrets, b->dir->id, b->tickets);
    volume_process_set_expiry(&b->process, b->credentials->tls.files.expires);
    return 0;
}

/* All its clients come through nginx. */
static void backend_drain(void *arg)
{
    (void)arg;
}

static void backend_stop(void *arg, unsigned drain_ms, service_stopped_cb cb, void *cb_arg)
{
    struct backend *b = arg;

    if (b->process.children != NULL)
        volume_process_stop(&b->process, drain_ms, cb, cb_arg);
    else
        cb(cb_arg);
}

/* nginx serves the directory above the one that it runs in, whatever is at its path by now: mkv
 * holds that one, and it stays the volume's own when the disk is unmounted or DIR moved away. */
static struct site_options site_options_of(const struct volume_options *options,
                                           const struct volume_dir *dir, const char *socket_name,
                                           const char *tickets, const struct tls *tls,
                                           const struct listeners *listeners)
{
    return (struct site_options){
        .settings = command_site_settings(&options->common),
        .name = volume_command.name,
        .built_in = template_volume,
        .account = &dir->account,
        .listeners = listeners,
        .must_hold = options->secret_file != NULL ? "@TICKETS@" : NULL,
        .tls = tls,
        .extra = {{"ROOT", TEMPLATE_STRING, dir->prefix.read_only ? dir->path : ".."},
                  {"VOLUME_ID", TEMPLATE_STRING, dir->id},
                  {"SYNC_SOCKET", TEMPLATE_STRING, socket_name},
                  {"TICKETS", TEMPLATE_RAW, tickets}},
    };
}

/* nginx runs in .mkv, and by a relative path the socket can lie deep. What can't be in .mkv is in
 * the scratch directory. */
static int backend_init(struct backend *b, const struct volume_options *options,
                        const struct volume_dir *dir)
{
    *b = (struct backend){.given = options,
                          .dir = dir,
                          .nginx = dir->prefix,
                          .at = dir->prefix,
                          .sockets = {.own = -1}};
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
    struct credentials credentials = {.secrets = {.n = 0}};
    char tickets[TICKET_MAPS_SIZE];
    struct site_options site;
    struct volume_dir dir;
    int exit_code = EXIT_FAILURE;

    if (credentials_load(&credentials, options) < 0)
        return EXIT_FAILURE;
    if (volume_dir_inspect(path, options->common.user, &dir) == 0) {
        ticket_maps_render(&credentials.secrets, dir.id, tickets);
        if (options->common.print_config)
            ticket_maps_hide(tickets);
        site = site_options_of(options, &dir, "unix:" VOLUME_SOCKET, tickets, &credentials.tls,
                               listeners);
        exit_code = command_inspect(&site);
        volume_dir_close(&dir);
    }
    OPENSSL_cleanse(tickets, sizeof(tickets));
    credentials_deinit(&credentials);
    return exit_code;
}

static int run(const struct volume_options *options, struct backend *b, struct listeners *listeners)
{
    const struct site_options site = site_options_of(options, b->dir, b->socket_name, b->tickets,
                                                     &b->credentials->tls, listeners);
    const struct service_backend backend = {.start = backend_start,
                                            .reload = backend_reload,
                                            .drain = backend_drain,
                                            .stop = backend_stop,
                                            .arg = b};
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
    if (volume_server_listen(&b->at, &b->sockets.own) == 0) {
        exit_code = command_serve(&site, &service);
        close(b->sockets.own);
        volume_server_unlink(&b->at);
    }
    free(title);
    return exit_code;
}

static void warn_if_open(const struct volume_options *options, const struct listeners *listeners,
                         const struct listeners *admin)
{
    if (!listeners_are_loopback(admin))
        log_warn("whoever can connect to the port of --admin can see how this volume is");
    if (options->secret_file == NULL && !listeners_are_loopback(listeners))
        log_warn("whoever can connect here can read, write and delete what is on this volume: "
                 "--secret-file FILE has it obey its index alone");
}

/* As the account, with what was read before. */
static int serve_narrowed(const struct volume_options *options, struct credentials *credentials,
                          struct volume_dir *dir, struct listeners *listeners,
                          const struct listeners *admin)
{
    struct backend b;
    int exit_code = EXIT_FAILURE;

    if (volume_dir_open(dir) < 0)
        return EXIT_FAILURE;
    if (backend_init(&b, options, dir) == 0) {
        b.credentials = credentials;
        for (size_t i = 0; i < admin->n; i++)
            b.sockets.admin[b.sockets.n_admin++] = admin->items[i].fd;
        ticket_maps_render(&credentials->secrets, dir->id, b.tickets);
        warn_if_open(options, listeners, admin);
        exit_code = run(options, &b, listeners);
    } else {
        log_error("cannot serve %s: %s", dir->path, strerror(ENOMEM));
    }
    free(b.socket_name);
    OPENSSL_cleanse(b.tickets, sizeof(b.tickets));
    return exit_code;
}

static int serve(const struct volume_options *options, const char *path,
                 struct listeners *listeners)
{
    const char *const files[] = {options->secret_file, options->common.tls_cert,
                                 options->common.tls_key, options->tls_client_ca};
    struct credentials credentials = {.secrets = {.n = 0}};
    struct listeners admin = {.n = 0};
    struct volume_dir dir;
    int exit_code = EXIT_FAILURE;

    if (options->admin.port != 0 && listeners_resolve(&options->admin, &admin) < 0)
        return EXIT_FAILURE;
    if (credentials_load(&credentials, options) < 0 ||
        volume_dir_claim(path, options->common.user, &dir) < 0)
        goto wipe;
    if (listeners_open(listeners) < 0)
        goto close_directory;
    if (listeners_open(&admin) == 0 && command_narrow(&options->common, &dir.account, files,
                                                      sizeof(files) / sizeof(files[0])) == 0)
        exit_code = serve_narrowed(options, &credentials, &dir, listeners, &admin);
    listeners_close(&admin);
    listeners_close(listeners);
close_directory:
    volume_dir_close(&dir);
wipe:
    credentials_deinit(&credentials);
    return exit_code;
}

static const char *check_tls(const struct volume_options *options)
{
    const char *problem = command_check_tls(&options->common);

    if (problem == NULL && options->tls_client_ca != NULL && options->common.tls_cert == NULL)
        problem = "--tls-client-ca needs --tls-cert and --tls-key";
    return problem;
}

int volume_main(int argc, char **argv)
{
    struct volume_options options = {.common = {.check = false}};
    struct listeners listeners;
    struct address address;
    int exit_code;
    int n;

    if (!command_begin(&volume_command, argc, &argv, &options, &n, &exit_code))
        return exit_code;
    if (n != 2)
        return options_usage_error(&volume_command,
                                   "volume takes PORT and DIR, here or in the --config FILE");
    if (address_parse(argv[0], true, &address) < 0)
        return options_usage_error(&volume_command, "'%s' is no PORT or ADDR:PORT", argv[0]);
    if (argv[1][0] == '\0')
        return options_usage_error(&volume_command, "DIR must not be empty");
    if (check_tls(&options) != NULL)
        return options_usage_error(&volume_command, "%s", check_tls(&options));
    if (listeners_resolve(&address, &listeners) < 0)
        return EXIT_FAILURE;
    if (options.common.check || options.common.print_config)
        return inspect(&options, argv[1], &listeners);
    return serve(&options, argv[1], &listeners);
}
