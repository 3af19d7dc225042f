#include "launcher/volume/volume_scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/log.h"
#include "launcher/nginx/files.h"
#include "launcher/nginx/prefix.h"
#include "launcher/nginx/template.h"

static int make(const struct account *account, const char *base, struct volume_scratch *s)
{
    char *relative;
    int rc = 0;

    if (asprintf(&relative, "%s/mkv-volume-XXXXXX", base) < 0)
        return -ENOMEM;
    if (mkdtemp(relative) == NULL) {
        rc = -errno;
        free(relative);
        return rc;
    }
    s->path = files_make_absolute(relative);
    free(relative);
    if (s->path == NULL)
        return -errno;
    if (template_check_string(s->path) != NULL)
        return -EINVAL;
    s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->fd < 0)
        return -errno;
    return prefix_sweep(s->fd, account);
}

int volume_scratch_make(const struct account *account, struct volume_scratch *scratch)
{
    const char *base = getenv("TMPDIR");
    struct volume_scratch s = {.fd = -1};
    int rc;

    if (base == NULL || base[0] == '\0')
        base = "/tmp";
    rc = make(account, base, &s);
    if (rc < 0) {
        log_error("cannot create a directory in %s: %s (set TMPDIR)", base, strerror(-rc));
        volume_scratch_remove(&s);
        return rc;
    }
    *scratch = s;
    return 0;
}

void volume_scratch_remove(struct volume_scratch *scratch)
{
    if (scratch->fd >= 0) {
        files_clear_directory(scratch->fd);
        close(scratch->fd);
    }
    if (scratch->path != NULL)
        rmdir(scratch->path);
    free(scratch->path);
    *scratch = (struct volume_scratch){.fd = -1};
}
