#include "launcher/space.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "index/base/log.h"

struct space {
    uv_work_t work;
    struct http_request *http; /* NULL when the client is gone */
    int directory;
    int rc;
    struct statvfs fs;
};

static void respond(struct http_request *http, int status, const char *text)
{
    http_add_header(http, "Content-Type", "application/json");
    http_respond(http, status, text, strlen(text));
}

static void work_cb(uv_work_t *work)
{
    struct space *s = work->data;

    s->rc = fstatvfs(s->directory, &s->fs) < 0 ? -errno : 0;
}

static void worked_cb(uv_work_t *work, int status)
{
    struct space *s = work->data;
    unsigned long long unit = s->fs.f_frsize;
    char text[96];

    (void)status;
    if (s->rc < 0)
        snprintf(text, sizeof(text), "{\"error\":\"%s\"}\n", strerror(-s->rc));
    else /* a file system without a fixed number of inodes says 0 of 0 */
        snprintf(text, sizeof(text), "{\"total\":%llu,\"free\":%llu}\n", s->fs.f_blocks * unit,
                 s->fs.f_files > 0 && s->fs.f_favail == 0 ? 0ULL : s->fs.f_bavail * unit);
    if (s->rc < 0)
        log_error("cannot ask how much is left on the disk: %s", strerror(-s->rc));
    if (s->http != NULL)
        respond(s->http, s->rc < 0 ? 500 : 200, text);
    free(s);
}

static void closed_cb(struct http_request *http)
{
    struct space *s = http_request_data(http);

    s->http = NULL;
}

void space_answer(uv_loop_t *loop, int directory, struct http_request *http)
{
    static const struct http_body_reader reader = {.closed = closed_cb};
    struct space *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        respond(http, 503, "{\"error\":\"out of memory\"}\n");
        return;
    }
    s->work.data = s;
    s->http = http;
    s->directory = directory;
    if (uv_queue_work(loop, &s->work, work_cb, worked_cb) < 0) {
        free(s);
        respond(http, 503, "{\"error\":\"no worker\"}\n");
        return;
    }
    http_request_set_data(http, s);
    http_read_body(http, &reader);
}
