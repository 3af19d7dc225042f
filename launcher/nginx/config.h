/* An nginx config on its way from the template to a temporary file that only nginx can read. */
#ifndef MKV_LAUNCHER_CONFIG_H
#define MKV_LAUNCHER_CONFIG_H

#include "index/base/buf.h"
#include "launcher/nginx/account.h"
#include "launcher/nginx/template.h"
#include "launcher/nginx/tls.h"

/* Where configs come from. All is borrowed. */
struct config {
    const char *name;              /* of the subcommand, for the file's name */
    const struct account *account; /* whom the file is given to */
    const char *built_in;          /* the template compiled in */
    const char *template_path;     /* or NULL for the one compiled in; read anew each time */
    const char *must_hold;         /* "@NAME@" that a template has to hold, or NULL */
    const struct template_variable *variables;
    size_t n_variables;
    const struct tls *tls; /* adds to LISTEN, and makes the variables VOLUME_TLS and VOLUME_SCHEME,
                              which is none where nginx has nothing to verify volumes by */
    bool modern;           /* nginx has the directive http2 */
};

/* A config that was written, and what it names. All zero is none. */
struct config_file {
    char *path;
    struct tls_paths copies;
};

/* The template's name for messages: its path, or "the built-in template". */
const char *config_template_name(const struct config *config);

/* Appends the rendered config to *out, which names the PEM files of the user. 0, or a -errno after
 * one log line that names the template. */
int config_render(const struct config *config, struct buf *out);

/* Renders into a new file of mode 0600 in $TMPDIR, with copies of the PEM files, which it names,
 * beside it. 0 and *file, which the caller removes, or a -errno after one log line. */
int config_write(const struct config *config, struct config_file *file);

/* Unlinks and frees; none is left alone. */
void config_file_remove(struct config_file *file);

#endif
