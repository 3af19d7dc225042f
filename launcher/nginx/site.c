#include "launcher/nginx/site.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "launcher/nginx/files.h"
#include "launcher/nginx/nginx_log.h"
#include "launcher/nginx/nginx_version.h"

#define CONNECTIONS_MAX 4096

static void set(struct site *f, const char *name, enum template_kind kind, const char *value)
{
    assert(f->n_variables < SITE_VARIABLES_MAX);
    f->variables[f->n_variables++] = (struct template_variable){name, kind, value};
}

/* nginx warns when it may open fewer files than connections. */
static unsigned long max_connections(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > CONNECTIONS_MAX)
        return CONNECTIONS_MAX;
    return limit.rlim_cur;
}

static int make_directives(struct site *f, const struct site_options *o)
{
    const char *words = tls_listen_words(o->tls, f->config.modern);
    int rc = listeners_append_directives(o->listeners, words, &f->listen);

    return rc == 0 ? buf_append(&f->listen, "", 1) : rc;
}

static int make_access_log(struct site *f, const char *path)
{
    const char *refusal;

    if (path == NULL)
        return 0;
    f->access_log = files_make_absolute(path);
    if (f->access_log == NULL) {
        log_error("cannot find the access log %s: %s", path, strerror(errno));
        return -errno;
    }
    refusal = template_check_string(f->access_log);
    if (refusal == NULL)
        return 0;
    log_error("the access log %s cannot be written: %s", f->access_log, refusal);
    return -EINVAL;
}

/* The whole directive, for a template that has the formats `mkv` and `mkv_json`. */
static int make_access(struct site *f, enum log_format format)
{
    const char *name = format == LOG_FORMAT_JSON ? " mkv_json;" : " mkv;";
    int rc;

    if (f->access_log == NULL)
        return buf_append(&f->access, "access_log off;", sizeof("access_log off;"));
    rc = buf_append_string(&f->access, "access_log ");
    if (rc == 0)
        rc = template_quote(f->access_log, &f->access);
    return rc == 0 ? buf_append(&f->access, name, strlen(name) + 1) : rc;
}

static void set_variables(struct site *f, const struct site_options *o)
{
    const struct site_settings *c = &o->settings;

    if (c->workers == 0)
        snprintf(f->workers, sizeof(f->workers), "auto");
    else
        snprintf(f->workers, sizeof(f->workers), "%u", c->workers);
    snprintf(f->connections, sizeof(f->connections), "%lu", max_connections());
    set(f, "WORKERS", TEMPLATE_RAW, f->workers);
    set(f, "WORKER_CONNECTIONS", TEMPLATE_RAW, f->connections);
    set(f, "LOG_LEVEL", TEMPLATE_RAW, nginx_log_level_name(c->log_level));
    set(f, "LISTEN", TEMPLATE_RAW, buf_bytes(&f->listen));
    if (f->access_log != NULL)
        set(f, "ACCESS_LOG", TEMPLATE_STRING, f->access_log);
    else
        set(f, "ACCESS_LOG", TEMPLATE_RAW, "off");
    set(f, "ACCESS", TEMPLATE_RAW, buf_bytes(&f->access));
    for (size_t i = 0; i < SITE_EXTRA_MAX && o->extra[i].name != NULL; i++)
        set(f, o->extra[i].name, o->extra[i].kind, o->extra[i].value);
    f->config = (struct config){
        .name = o->name,
        .account = o->account,
        .built_in = o->built_in,
        .template_path = c->template_path,
        .must_hold = o->must_hold,
        .variables = f->variables,
        .n_variables = f->n_variables,
        .tls = o->tls,
        .modern = f->config.modern,
    };
}

/* Where it is not to run, only its version counts, and that with TLS alone. */
static int find_nginx(struct site *f, const struct site_options *o)
{
    bool speaks_tls = o->tls->paths.certificate != NULL;
    const char *name = speaks_tls ? o->settings.version_of : o->settings.program;
    int rc = name != NULL ? files_find_program(name, &f->program) : 0;

    if (rc == 0 && speaks_tls)
        f->config.modern = nginx_has_http2_directive(f->program);
    return rc;
}

int site_init(struct site *site, const struct site_options *options)
{
    int rc;

    memset(site, 0, sizeof(*site));
    site->account = options->account;
    site->listeners = options->listeners;
    rc = make_access_log(site, options->settings.access_log);
    if (rc < 0)
        goto fail;
    rc = find_nginx(site, options);
    if (rc < 0)
        goto fail;
    rc = make_directives(site, options);
    if (rc == 0)
        rc = make_access(site, options->settings.log_format);
    if (rc < 0) {
        log_error("cannot make the nginx config: %s", strerror(-rc));
        goto fail;
    }
    set_variables(site, options);
    return 0;
fail:
    site_deinit(site);
    return rc;
}

void site_deinit(struct site *site)
{
    buf_deinit(&site->listen);
    buf_deinit(&site->access);
    free(site->access_log);
    free(site->program);
    memset(site, 0, sizeof(*site));
}

int site_print_config(const struct site *site)
{
    struct buf text = {0};
    int rc = config_render(&site->config, &text);

    if (rc == 0 && (fwrite(buf_bytes(&text), 1, buf_size(&text), stdout) != buf_size(&text) ||
                    fflush(stdout) != 0)) {
        rc = -errno;
        log_error("cannot write to stdout: %s", strerror(-rc));
    }
    buf_deinit(&text);
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
