/* `mkv index`: the index server on our loop, and nginx in front of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/access/keys.h"
#include "index/access/secret.h"
#include "index/server.h"
#include "launcher/commands.h"
#include "launcher/commands/index_dir.h"
#include "launcher/commands/settings.h"
#include "launcher/commands/upstreams.h"
#include "launcher/commands/volume_list.h"
#include "launcher/nginx/files.h"
#include "launcher/nginx/prefix.h"
#include "launcher/store_option.h"

#define LIMIT_BURST 5 /* seconds of --limit-rate that a client may use at once */

struct index_options {
    struct common_options common;
    struct address listen;
    struct address direct; /* port 0: not published */
    struct address s3;     /* likewise */
    struct address admin;  /* likewise */
    const char *s3_domain;
    const char *keys;
    unsigned limit_conn; /* 0: none */
    unsigned limit_rate; /* a second; likewise */
    const char *secret_file;
    unsigned ticket_ttl; /* seconds */
    uint64_t s3_upload_expiry_ms;
    const char *directory;
    const char *store; /* URI, or NULL: the store is in the directory */
    const char *fallback;
    const char *volumes_file;
    const char *tls_ca;
    unsigned replicas;
    unsigned subvolumes;
    bool check_reads;
    bool proxy_reads;
    bool no_md5;
    bool no_sync;
    bool protect;
    bool read_only;
    unsigned grace_ms;
    uint64_t repair_after_ms;
    uint64_t verify_every_ms;
    uint64_t backup_ms;
};

static const char *option_set_reads(void *target, const char *value)
{
    if (strcmp(value, "redirect") != 0 && strcmp(value, "proxy") != 0)
        return "must be redirect or proxy";
    *(bool *)target = *value == 'p';
    return NULL;
}

/* Of virtual hosts BUCKET.NAME: a name as the header Host has it, without a port. */
static const char *option_set_domain(void *target, const char *value)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    size_t len = strlen(value);

    if (len == 0 || len > ADDRESS_HOST_MAX || strspn(value, allowed) != len || value[0] == '.' ||
        value[len - 1] == '.')
        return "must be the name of a host";
    *(const char **)target = value;
    return NULL;
}

static const struct option index_option_table[] = {
    {"port", "[ADDR:]PORT", "3000", "where clients connect", option_set_listen,
     offsetof(struct index_options, listen)},
    INDEX_DIR_OPTION(struct index_options, directory),
    STORE_OPTION(struct index_options, store),
    {"read-only", NULL, NULL, "only read the database of --store, which may be a standby",
     option_set_bool, offsetof(struct index_options, read_only)},
    {"replicas", "N", "1", "volumes that hold each value, up to 16", option_set_replicas,
     offsetof(struct index_options, replicas)},
    {"subvolumes", "N", "1", "directories that each volume is split into, up to 256",
     option_set_subvolumes, offsetof(struct index_options, subvolumes)},
    {"fallback", "HOST:PORT", NULL, "where a GET of a missing key is sent", option_set_address,
     offsetof(struct index_options, fallback)},
    {"volumes-file", "FILE", NULL, "more volumes, with their zones and weights; HUP reads it anew",
     option_set_string, offsetof(struct index_options, volumes_file)},
    {"tls-ca", "FILE", NULL,
     "authorities to trust of volumes named https://HOST:PORT; HUP reads it anew",
     option_set_string, offsetof(struct index_options, tls_ca)},
    {"reads", "HOW", "redirect", "redirect clients to a volume, or proxy the value",
     option_set_reads, offsetof(struct index_options, proxy_reads)},
    {"check-reads", NULL, NULL, "look whether a volume has the value before sending a client there",
     option_set_bool, offsetof(struct index_options, check_reads)},
    {"no-md5", NULL, NULL, "keep no MD5 of the values", option_set_bool,
     offsetof(struct index_options, no_md5)},
    {"protect", NULL, NULL, "refuse to delete a key that was not unlinked before", option_set_bool,
     offsetof(struct index_options, protect)},
    {"grace", "SECONDS", "60", "how long a value that was replaced stays for its readers",
     option_set_seconds, offsetof(struct index_options, grace_ms)},
    {"repair-after", "TIME", "1h",
     "how long a volume may be away before its copies are made elsewhere; 0 is forever",
     option_set_duration, offsetof(struct index_options, repair_after_ms)},
    {"verify-every", "TIME", "30d", "the time in which every copy is read once; 0 is never",
     option_set_duration, offsetof(struct index_options, verify_every_ms)},
    {"backup-every", "TIME", "6h", "how often the index is backed up on its volumes; 0 is never",
     option_set_duration, offsetof(struct index_options, backup_ms)},
    {"no-sync", NULL, NULL,
     "don't wait for the disk: faster, but a power cut loses the last changes", option_set_bool,
     offsetof(struct index_options, no_sync)},
    {"direct", "[ADDR:]PORT", NULL, "serve the index without nginx here, too", option_set_listen,
     offsetof(struct index_options, direct)},
    {"admin", "[ADDR:]PORT", NULL, "show how it is here; only to this machine, unless with ADDR",
     option_set_admin, offsetof(struct index_options, admin)},
    {"s3", "[ADDR:]PORT", NULL, "where clients connect that speak S3 only", option_set_listen,
     offsetof(struct index_options, s3)},
    {"s3-domain", "NAME", NULL, "a bucket is also at the host BUCKET.NAME", option_set_domain,
     offsetof(struct index_options, s3_domain)},
    {"keys", "FILE", NULL, "who may do what, and the secrets; HUP reads it anew", option_set_string,
     offsetof(struct index_options, keys)},
    {"secret-file", "FILE", NULL, "the secret that an index and its volumes share",
     option_set_string, offsetof(struct index_options, secret_file)},
    {"ticket-ttl", "SECONDS", "60", "how long a ticket for a volume is good", option_set_ticket_ttl,
     offsetof(struct index_options, ticket_ttl)},
    {"limit-conn", "N", NULL, "requests at once from one client's address; more get 429",
     option_set_limit, offsetof(struct index_options, limit_conn)},
    {"limit-rate", "N", NULL, "requests a second from one client's address; more get 429",
     option_set_limit, offsetof(struct index_options, limit_rate)},
    {"s3-upload-expiry", "TIME", "7d",
     "how long an unfinished multipart upload is kept; 0 is forever", option_set_duration,
     offsetof(struct index_options, s3_upload_expiry_ms)},
    COMMON_OPTIONS,
};

const struct command index_command = {
    .name = "index",
    .operands = "[VOLUME...]",
    .summary = "Run the index of the given volumes, each HOST:PORT.",
    .details = "A volume's name decides which keys it holds: give the same names in every run.\n",
    .options = index_option_table,
    .n_options = sizeof(index_option_table) / sizeof(index_option_table[0]),
};

/* The index server and the sockets it is to take over. */
struct backend {
    const struct index_options *given;
    char *const *operands;
    int n_operands;
    struct volume_list volumes; /* as of the start */
    struct upstreams upstreams; /* for the template */
    struct tls tls;             /* of the front, by absolute paths, which are owned */
    char s3_port[32];           /* likewise */
    char limits[512];           /* likewise */
    struct index_server_options options;
    struct listener private; /* where our nginx connects */
    unsigned port;           /* of it */
    struct listeners direct;
    struct listeners admin;
    int admin_fds[LISTENERS_MAX];
    int fds[LISTENERS_MAX + 1];
    struct index_server *server;
    struct keys *keys;      /* of the start, or NULL */
    struct secrets secrets; /* likewise, or none */
    char *secret_path;      /* of their file, absolute, or NULL */
};

static bool any_has_tls(const struct volume_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (volume_name_has_tls(list->entries[i].name))
            return true;
    }
    return false;
}

static const char *system_authorities(void)
{
    const char *path = transfers_system_authorities();

    return path != NULL && access(path, R_OK) == 0 ? path : NULL;
}

static bool needs_authorities(const struct backend *b, const struct volume_list *list)
{
    return b->given->tls_ca == NULL && any_has_tls(list) && system_authorities() == NULL;
}

/* nginx reads all of them at each start, so it is told of them when there is need. */
static void choose_authorities(struct backend *b, const struct volume_list *list)
{
    b->tls.system_authorities = any_has_tls(list) ? system_authorities() : NULL;
}

/* The volumes of the command line and of the file. NULL, or what is wrong with them. */
static const char *gather_volumes(const struct backend *b, struct volume_list *list,
                                  char problem[VOLUME_LIST_TEXT_MAX])
{
    const struct index_options *o = b->given;
    const char *bad = NULL;

    for (int i = 0; i < b->n_operands && bad == NULL; i++)
        bad = volume_list_add(list, b->operands[i], problem);
    if (bad == NULL && o->volumes_file != NULL)
        bad = volume_list_read(list, o->volumes_file, problem);
    if (bad == NULL && needs_authorities(b, list))
        bad = "a volume is named https://..., and this system has no file of authorities to trust: "
              "--tls-ca FILE says which";
    if (bad == NULL && list->count == 0)
        bad = "index takes at least one VOLUME, or a --volumes-file with one";
    if (bad == NULL && list->count < o->replicas) {
        snprintf(problem, VOLUME_LIST_TEXT_MAX,
                 "--replicas %u needs at least %u volumes; %zu %s given", o->replicas, o->replicas,
                 list->count, list->count == 1 ? "is" : "are");
        bad = problem;
    }
    return bad;
}

static void forget_sockets(struct backend *b)
{
    b->private.fd = -1;
    for (size_t i = 0; i < b->direct.n; i++)
        b->direct.items[i].fd = -1;
    for (size_t i = 0; i < b->admin.n; i++)
        b->admin.items[i].fd = -1;
}

static void close_sockets(struct backend *b)
{
    if (b->private.fd >= 0)
        close(b->private.fd);
    listeners_close(&b->direct);
    listeners_close(&b->admin);
    forget_sockets(b);
}

static int open_port(const struct address *address, struct listeners *listeners)
{
    int rc = listeners_resolve(address, listeners);

    return rc < 0 ? rc : listeners_open(listeners);
}

static int open_sockets(const struct index_options *o, struct backend *b)
{
    int rc = listeners_open_private(&b->private, &b->port);

    if (rc == 0 && o->direct.port != 0)
        rc = open_port(&o->direct, &b->direct);
    if (rc == 0 && o->admin.port != 0)
        rc = open_port(&o->admin, &b->admin);
    if (rc < 0) {
        close_sockets(b);
        return rc;
    }
    b->fds[0] = b->private.fd;
    for (size_t i = 0; i < b->direct.n; i++)
        b->fds[i + 1] = b->direct.items[i].fd;
    b->options.listeners = b->fds;
    b->options.n_listeners = b->direct.n + 1;
    for (size_t i = 0; i < b->admin.n; i++)
        b->admin_fds[i] = b->admin.items[i].fd;
    b->options.admin_listeners = b->admin_fds;
    b->options.n_admin_listeners = b->admin.n;
    return 0;
}

/* An option that was forgotten on the command line should not cost copies unnoticed. */
static void warn_of_fewer(const struct backend *b)
{
    struct settings last = {.replicas = 0};

    if (settings_read_last(b->options.directory, &last) == 0 && last.replicas > b->options.copies)
        log_warn("--replicas is %u, and was %u in the last run: new values get fewer copies, and "
                 "mkv rebalance removes those that are too many",
                 b->options.copies, last.replicas);
    settings_deinit(&last);
}

/* Whoever asks for S3, or can be reached from elsewhere, is warned. */
static void say_if_open(const struct backend *b, const struct listeners *listeners)
{
    bool near = listeners_are_loopback(listeners) && listeners_are_loopback(&b->direct) &&
                listeners_are_loopback(&b->admin);

    if (b->given->keys == NULL)
        log_write(b->given->s3.port != 0 || !near ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
                  "everybody who can connect may do everything: --keys FILE says who may do what");
}

static int backend_start(struct children *children, void *arg)
{
    struct backend *b = arg;
    int rc = b->options.store_uri == NULL ? settings_refuse_last_store(b->options.directory)
                                          : settings_refuse_own_table(b->options.directory);

    if (rc == 0)
        rc = index_server_start(children->loop, &b->options, &b->server);
    if (rc < 0)
        return rc;
    forget_sockets(b);
    warn_of_fewer(b);
    settings_write(b->options.directory, &b->options, b->volumes.entries, b->volumes.count);
    return 0;
}

static int reload_volumes(struct backend *b)
{
    struct volume_list list = {0};
    char text[VOLUME_LIST_TEXT_MAX];
    const char *problem = gather_volumes(b, &list, text);
    int rc = 0;

    if (problem != NULL) {
        log_error("the volumes stay as they are: %s", problem);
        rc = -EINVAL;
    } else {
        rc = index_server_set_volumes(b->server, list.entries, list.count);
        if (rc == 0) {
            settings_write(b->options.directory, &b->options, list.entries, list.count);
            choose_authorities(b, &list);
            log_info("the index has %zu volumes", list.count);
        }
    }
    volume_list_deinit(&list);
    return rc;
}

static int reload_keys(struct backend *b)
{
    struct keys *keys;
    char why[KEYS_WHY_SIZE];
    int rc = keys_read(b->given->keys, &keys, why);

    if (rc < 0) {
        log_error("the keys stay as they are: %s", why);
        return rc;
    }
    index_server_set_keys(b->server, keys);
    log_info("the index has %zu keys", keys_count(keys));
    keys_release(keys);
    return 0;
}

static int reload_secrets(struct backend *b)
{
    struct secrets secrets = {.n = 0};
    char why[SECRET_WHY_SIZE];
    int rc = secrets_read(b->given->secret_file, &secrets, why);

    if (rc < 0) {
        log_error("the secret stays as it is: %s", why);
        return rc;
    }
    index_server_set_secrets(b->server, &secrets, b->given->ticket_ttl);
    log_info("the index has %zu secret%s, and signs by %s", secrets.n, secrets.n == 1 ? "" : "s",
             secrets.items[0].id);
    secrets_deinit(&secrets);
    return 0;
}

/* A file that can't be read, or says nonsense, changes nothing. */
static int backend_reload(void *arg)
{
    struct backend *b = arg;
    int keys_rc = 0;
    int secrets_rc = 0;
    int rc;

    if (b->server == NULL)
        return 0;
    if (b->given->secret_file != NULL)
        secrets_rc = reload_secrets(b);
    rc = tls_load(&b->tls);
    if (rc == 0)
        rc = index_server_set_tls(b->server, &b->tls.files);
    if (rc < 0)
        log_error("the certificates stay as they are");
    if (b->given->volumes_file != NULL && reload_volumes(b) < 0)
        rc = -EINVAL;
    if (b->given->keys != NULL)
        keys_rc = reload_keys(b);
    if (rc == 0)
        rc = secrets_rc;
    return rc < 0 ? rc : keys_rc;
}

static void backend_drain(void *arg)
{
    struct backend *b = arg;

    index_server_close_public(b->server);
}

static void backend_stop(void *arg, unsigned drain_ms, service_stopped_cb cb, void *cb_arg)
{
    struct backend *b = arg;

    if (b->server != NULL)
        index_server_stop(b->server, drain_ms, cb, cb_arg);
    else
        cb(cb_arg);
}

/* What the template has for --limit-conn and --limit-rate. A node of either zone has 64 bytes or
 * 128, so that 10 MB are for 80,000 addresses at least; where they don't suffice, those of
 * limit_req that were used last stay. */
static void write_limits(struct backend *b)
{
    const struct index_options *o = b->given;
    size_t n = 0;

    if (o->limit_conn > 0)
        n = (size_t)snprintf(b->limits, sizeof(b->limits),
                             "limit_conn_zone $mkv_client zone=mkv_conn:10m; "
                             "limit_conn mkv_conn %u; limit_conn_status 429; "
                             "limit_conn_log_level info;\n    ",
                             o->limit_conn);
    if (o->limit_rate > 0)
        snprintf(b->limits + n, sizeof(b->limits) - n,
                 "limit_req_zone $mkv_client zone=mkv_rate:10m rate=%ur/s; "
                 "limit_req zone=mkv_rate burst=%u nodelay; limit_req_status 429; "
                 "limit_req_log_level info;",
                 o->limit_rate, LIMIT_BURST * o->limit_rate);
}

/* Renders `port` to `text`, of which the result keeps a pointer. */
static struct site_options site_options_of(const struct backend *b, const struct account *account,
                                           const struct listeners *listeners, unsigned port,
                                           char text[32])
{
    snprintf(text, 32, "127.0.0.1:%u", port);
    return (struct site_options){
        .settings = command_site_settings(&b->given->common),
        .name = index_command.name,
        .built_in = template_index,
        .account = account,
        .listeners = listeners,
        .tls = &b->tls,
        .must_hold = b->limits[0] != '\0' ? "@LIMITS@" : NULL,
        .extra = {{"BACKEND", TEMPLATE_RAW, text},
                  {"READS", TEMPLATE_RAW, b->given->proxy_reads ? "proxy" : "redirect"},
                  {"UPSTREAMS", TEMPLATE_RAW, buf_bytes(&b->upstreams.blocks)},
                  {"UPSTREAM_OF", TEMPLATE_RAW, buf_bytes(&b->upstreams.map)},
                  {"SPEAKS", TEMPLATE_RAW, b->s3_port},
                  {"LIMITS", TEMPLATE_RAW, b->limits}},
    };
}

static int run(const struct index_options *options, const struct account *account,
               const struct prefix *prefix, struct backend *b, struct listeners *listeners)
{
    char text[32];
    const struct site_options site = site_options_of(b, account, listeners, b->port, text);
    const struct service_backend backend = {.start = backend_start,
                                            .reload = backend_reload,
                                            .drain = backend_drain,
                                            .stop = backend_stop,
                                            .arg = b};
    const struct service_options service = {
        .title = "index",
        .prefix = prefix,
        .listeners = listeners,
        .drain_ms = options->common.drain_ms,
        .backend = &backend,
    };

    say_if_open(b, listeners);
    return command_serve(&site, &service);
}

static void fill_server_options(struct backend *b, const char *directory)
{
    const struct index_options *o = b->given;

    b->options = (struct index_server_options){
        .directory = directory,
        .store_uri = o->store,
        .only_reads = o->read_only,
        .tls = &b->tls.files,
        .tls_paths = b->tls.paths,
        .volumes = b->volumes.entries,
        .n_volumes = b->volumes.count,
        .copies = o->replicas,
        .subvolumes = o->subvolumes,
        .check_reads = o->check_reads,
        .fallback = o->fallback,
        .protect = o->protect,
        .s3_domain = o->s3_domain,
        .keys = b->keys,
        .secrets = &b->secrets,
        .ticket_ttl = o->ticket_ttl,
        .secret_file = b->secret_path,
        .s3_upload_expiry_ms = o->s3_upload_expiry_ms,
        .grace_ms = o->grace_ms,
        .repair_after_ms = o->repair_after_ms,
        .verify_every_ms = o->verify_every_ms,
        .backup_ms = o->backup_ms,
        .sync = !o->no_sync,
        .md5 = !o->no_md5,
    };
}

/* What clients of S3 read goes through nginx, whatever --reads says. */
static int make_upstreams(struct backend *b)
{
    const struct index_options *o = b->given;

    return upstreams_make(&b->upstreams, &b->volumes, o->proxy_reads || o->s3.port != 0);
}

/* Becomes the account, and serves. nginx's place is in the index directory, and it runs there. */
static int serve_narrowed(struct backend *b, const char *directory, int fd, struct account *account,
                          struct listeners *listeners)
{
    const struct index_options *o = b->given;
    const char *const files[] = {o->volumes_file,    o->keys,           o->secret_file,
                                 o->common.tls_cert, o->common.tls_key, o->tls_ca};
    struct prefix prefix;
    int exit_code = EXIT_FAILURE;

    if (command_narrow(&o->common, account, files, sizeof(files) / sizeof(files[0])) < 0 ||
        prefix_open(fd, "nginx", directory, account, &prefix) < 0)
        return EXIT_FAILURE;
    if (make_upstreams(b) == 0)
        exit_code = run(b->given, account, &prefix, b, listeners);
    prefix_close(&prefix);
    return exit_code;
}

static int serve(struct backend *b, struct listeners *listeners)
{
    struct account account;
    char *directory;
    int exit_code = EXIT_FAILURE;
    int fd;

    if (index_dir_claim(b->given->directory, b->given->common.user, &account, &directory, &fd) < 0)
        return EXIT_FAILURE;
    fill_server_options(b, directory);
    if (listeners_open(listeners) < 0)
        goto close_directory;
    if (open_sockets(b->given, b) == 0)
        exit_code = serve_narrowed(b, directory, fd, &account, listeners);
    close_sockets(b);
    listeners_close(listeners);
close_directory:
    close(fd);
    free(directory);
    return exit_code;
}

/* All ports of the front. */
static int resolve(struct backend *b, struct listeners *listeners)
{
    const struct index_options *o = b->given;
    struct listeners s3;
    int rc = listeners_resolve(&o->listen, listeners);

    if (rc < 0 || o->s3.port == 0)
        return rc;
    rc = listeners_resolve(&o->s3, &s3);
    if (rc == 0)
        listeners_add(listeners, &s3);
    snprintf(b->s3_port, sizeof(b->s3_port), "%u always;", o->s3.port);
    return rc;
}

/* NULL stays NULL. */
static int make_absolute(const char *path, const char **absolute)
{
    *absolute = path != NULL ? files_make_absolute(path) : NULL;
    if (path == NULL || *absolute != NULL)
        return 0;
    log_error("cannot find %s: %s", path, strerror(errno));
    return -errno;
}

static int prepare_tls(struct backend *b)
{
    const struct index_options *o = b->given;
    struct tls_paths *paths = &b->tls.paths;

    b->tls.asks_volumes = true;
    choose_authorities(b, &b->volumes);
    if (make_absolute(o->common.tls_cert, &paths->certificate) < 0 ||
        make_absolute(o->common.tls_key, &paths->key) < 0)
        return -ENOMEM;
    return make_absolute(o->tls_ca, &paths->authorities);
}

static int read_keys(struct backend *b)
{
    char why[KEYS_WHY_SIZE];
    int rc;

    if (b->given->keys == NULL)
        return 0;
    rc = keys_read(b->given->keys, &b->keys, why);
    if (rc < 0)
        log_error("%s", why);
    return rc;
}

static int read_secrets(struct backend *b)
{
    const char *path = b->given->secret_file;
    char why[SECRET_WHY_SIZE];
    int rc;

    if (path == NULL)
        return 0;
    rc = secrets_read(path, &b->secrets, why);
    if (rc < 0) {
        log_error("the secret can't be used: %s", why);
        return rc;
    }
    b->secret_path = files_make_absolute(path);
    return b->secret_path != NULL ? 0 : -ENOMEM;
}

static int serve_or_inspect(struct backend *b)
{
    const struct common_options *common = &b->given->common;
    struct listeners listeners;
    struct account account;
    struct site_options site;
    char text[32];

    if (resolve(b, &listeners) < 0 || read_keys(b) < 0 || read_secrets(b) < 0 ||
        prepare_tls(b) < 0 || (!common->print_config && tls_load(&b->tls) < 0))
        return EXIT_FAILURE;
    if (!common->check && !common->print_config)
        return serve(b, &listeners);
    if (account_choose(common->user, 0, &account) < 0 || make_upstreams(b) < 0)
        return EXIT_FAILURE;
    /* The backend's port is picked at the start of a run; here any will do. */
    site = site_options_of(b, &account, &listeners, 1, text);
    return command_inspect(&site);
}

/* NULL, or what is wrong with options that go together. */
static const char *find_problem(const struct index_options *o, char text[VOLUME_LIST_TEXT_MAX])
{
    const char *problem = o->store != NULL ? store_option_problem(o->store) : NULL;

    if (problem != NULL) {
        snprintf(text, VOLUME_LIST_TEXT_MAX, "--store %s", problem);
        return text;
    }
    if (o->read_only && o->store == NULL)
        return "--read-only needs --store: nobody else can write to the store in --index";
    if (o->s3.port == o->listen.port)
        return "--s3 needs another port than --port";
    return command_check_tls(&o->common);
}

int index_main(int argc, char **argv)
{
    struct index_options options = {.common = {.check = false}};
    struct backend b = {.given = &options, .private = {.fd = -1}};
    char text[VOLUME_LIST_TEXT_MAX];
    const char *problem;
    int exit_code;

    if (!command_begin(&index_command, argc, &argv, &options, &b.n_operands, &exit_code))
        return exit_code;
    b.operands = argv;
    write_limits(&b);
    problem = gather_volumes(&b, &b.volumes, text);
    if (problem == NULL)
        problem = find_problem(&options, text);
    if (problem != NULL)
        exit_code = options_usage_error(&index_command, "%s", problem);
    else
        exit_code = serve_or_inspect(&b);
    volume_list_deinit(&b.volumes);
    upstreams_deinit(&b.upstreams);
    keys_release(b.keys);
    secrets_deinit(&b.secrets);
    free(b.secret_path);
    tls_unload(&b.tls);
    tls_forget_copies(&b.tls.paths, false);
    return exit_code;
}
