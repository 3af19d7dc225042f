#include "launcher/nginx/config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/base/io.h"
#include "index/base/log.h"
#include "launcher/nginx/files.h"

#define TEMPLATE_MAX (1U << 20)

const char *config_template_name(const struct config *config)
{
    return config->template_path != NULL ? config->template_path : "the built-in template";
}

/* Appends the file at `path` and a NUL. */
static int read_template(const char *path, struct buf *text)
{
    int fd = files_open_plain(AT_FDCWD, path, 0);
    ssize_t n = 1;
    int rc = fd < 0 ? fd : 0;

    while (rc == 0 && n > 0) {
        rc = buf_reserve(text, 4096);
        if (rc < 0)
            break;
        n = read(fd, text->data + text->tail, 4096);
        if (n < 0 && errno != EINTR)
            rc = -errno;
        if (n < 0)
            n = 1;
        else
            text->tail += (size_t)n;
        if (buf_size(text) > TEMPLATE_MAX)
            rc = -EFBIG;
    }
    if (fd >= 0)
        close(fd);
    return rc == 0 ? buf_append(text, "", 1) : rc;
}

/* The line of the first byte NUL before the last byte, or 0. */
static unsigned line_of_nul(const struct buf *text)
{
    size_t n = strlen(buf_bytes(text));
    unsigned line = 1;

    if (n + 1 == buf_size(text))
        return 0;
    for (size_t i = 0; i < n; i++)
        line += buf_bytes(text)[i] == '\n';
    return line;
}

/* NULL, or what the template hasn't and must have. */
static const char *find_missing(const struct config *config, const char *text)
{
    if (strstr(text, "@LISTEN@") == NULL)
        return "@LISTEN@: nginx would listen to nobody";
    if (config->must_hold != NULL && strstr(text, config->must_hold) == NULL)
        return config->must_hold;
    return NULL;
}

/* Appends the template at `path`. One without @LISTEN@ would make nginx drop our sockets, at a
 * reload for good; a byte NUL within would hide what follows it. 0, or -errno after one log line.
 */
static int load_template(const struct config *config, struct buf *text)
{
    const char *path = config->template_path;
    int rc = read_template(path, text);
    const char *missing = NULL;

    if (rc < 0) {
        log_error("cannot read the template %s: %s", path, strerror(-rc));
    } else if (line_of_nul(text) > 0) {
        log_error("%s, line %u: a byte NUL is in it", path, line_of_nul(text));
        rc = -EINVAL;
    } else if ((missing = find_missing(config, buf_bytes(text))) != NULL) {
        log_error("%s does not hold %s", path, missing);
        rc = -EINVAL;
    }
    return rc;
}

/* The template, and what replaces its variables. */
static int render_text(const struct config *config, const struct template_variable *variables,
                       size_t n, struct buf *out)
{
    struct template_error error = {.line = 0};
    struct buf text = {0};
    int rc;

    if (config->template_path != NULL && load_template(config, &text) < 0) {
        rc = -EINVAL;
        goto out;
    }
    rc = template_render(config->template_path != NULL ? buf_bytes(&text) : config->built_in,
                         variables, n, out, &error);
    if (error.line > 0)
        log_error("%s, line %u: %s", config_template_name(config), error.line, error.message);
    else if (rc < 0)
        log_error("cannot render %s: %s", config_template_name(config), strerror(-rc));
out:
    buf_deinit(&text);
    return rc;
}

/* Appends the value of LISTEN, with what TLS adds; then, after a NUL, that of VOLUME_TLS. */
static int append_tls(const struct config *config, const struct tls_paths *paths,
                      const char *listen, struct buf *out, size_t *second)
{
    int rc = buf_append_string(out, listen);

    if (rc == 0)
        rc = tls_append_server(config->tls, paths, config->modern, out);
    if (rc == 0)
        rc = buf_append(out, "", 1);
    *second = buf_size(out);
    if (rc == 0)
        rc = tls_append_volumes(config->tls, paths, out);
    if (rc == 0)
        rc = buf_append(out, "", 1);
    if (rc == -ENOMEM)
        log_error("cannot make the nginx config: %s", strerror(-rc));
    return rc;
}

static int render(const struct config *config, const struct tls_paths *paths, struct buf *out)
{
    size_t n = config->n_variables;
    struct template_variable *variables = calloc(n + 2, sizeof(*variables));
    struct buf values = {0};
    size_t second = 0;
    size_t i = 0;
    int rc = -ENOMEM;

    if (variables == NULL)
        goto out;
    memcpy(variables, config->variables, n * sizeof(*variables));
    while (i < n && strcmp(variables[i].name, "LISTEN") != 0)
        i++;
    assert(i < n);
    rc = append_tls(config, paths, variables[i].value, &values, &second);
    if (rc < 0)
        goto out;
    variables[i].value = buf_bytes(&values);
    variables[n] =
        (struct template_variable){"VOLUME_TLS", TEMPLATE_RAW, buf_bytes(&values) + second};
    variables[n + 1] = (struct template_variable){
        "VOLUME_SCHEME", TEMPLATE_RAW, buf_bytes(&values)[second] != '\0' ? "https" : "none"};
    rc = render_text(config, variables, n + 2, out);
out:
    free(variables);
    buf_deinit(&values);
    return rc;
}

int config_render(const struct config *config, struct buf *out)
{
    return render(config, &config->tls->paths, out);
}

/* Makes a new file, mode 0600, open as *fd. Its path is the caller's to free and unlink; NULL after
 * a log line. */
static char *make_file(const char *name, int *fd)
{
    const char *directory = getenv("TMPDIR");
    char *made;

    if (directory == NULL || directory[0] == '\0')
        directory = "/tmp";
    if (asprintf(&made, "%s/mkv-%s-XXXXXX", directory, name) < 0) {
        log_error("cannot create the config file: %s", strerror(ENOMEM));
        return NULL;
    }
    *fd = mkostemp(made, O_CLOEXEC);
    if (*fd < 0) {
        log_error("cannot create the config file %s: %s (set TMPDIR)", made, strerror(errno));
        free(made);
        return NULL;
    }
    return made;
}

static int write_text(const struct config *config, int fd, const struct config_file *file)
{
    struct buf text = {0};
    int rc = render(config, &file->copies, &text);

    if (rc < 0)
        goto out;
    rc = io_write_all(fd, buf_bytes(&text), buf_size(&text));
    if (rc == 0)
        rc = account_give(config->account, fd);
    if (rc < 0)
        log_error("cannot write the config file %s: %s", file->path, strerror(-rc));
out:
    buf_deinit(&text);
    return rc;
}

int config_write(const struct config *config, struct config_file *file)
{
    struct config_file made = {.path = NULL};
    int fd;
    int rc;

    made.path = make_file(config->name, &fd);
    if (made.path == NULL)
        return -EIO;
    rc = tls_make_copies(config->tls, made.path, config->account, &made.copies);
    if (rc == 0)
        rc = write_text(config, fd, &made);
    close(fd);
    if (rc < 0)
        config_file_remove(&made);
    else
        *file = made;
    return rc;
}

void config_file_remove(struct config_file *file)
{
    tls_forget_copies(&file->copies, true);
    if (file->path != NULL)
        unlink(file->path);
    free(file->path);
    file->path = NULL;
}
