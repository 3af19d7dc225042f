/* An nginx config on its way from the template to a temporary file that only nginx can read. */
#ifndef MKV_LAUNCHER_CONFIG_H
#define MKV_LAUNCHER_CONFIG_H

#include "index/base/buf.h"
#include "launcher/nginx/account.h"
#include "launcher/nginx/template.h"

/* Where configs come from. All is borrowed. */
struct config {
    const char *name;              /* of the subcommand, for the file's name */
    const struct account *account; /* whom the file is given to */
    const char *built_in;          /* the template compiled in */
    const char *template_path;     /* or NULL for the one compiled in; read anew each time */
    const char *must_hold;         /* "@NAME@" that a template has to hold, or NULL */
    const struct template_variable *variables;
    size_t n_variables;
};

/* The template's name for messages: its path, or "the built-in template". */
const char *config_template_name(const struct config *config);

/* Appends the rendered config to *out. 0, or a -errno after one log line that names the template.
 */
int config_render(const struct config *config, struct buf *out);

/* Renders into a new file of mode 0600 in $TMPDIR. 0 and its *path, which the caller frees and
 * unlinks, or a -errno after one log line. */
int config_write(const struct config *config, char **path);

#endif
