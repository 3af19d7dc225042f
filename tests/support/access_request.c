#include "tests/support/access_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/text_copy.h"

static const char *header_at(const void *arg, unsigned index, const char **name)
{
    const struct access_head *head = arg;

    if (index >= head->n)
        return NULL;
    *name = head->names[index];
    return head->values[index];
}

static bool read_target(struct access_head *head, char *line)
{
    char *rest = NULL;
    char *method = strtok_r(line, " ", &rest);
    char *target = strtok_r(NULL, " ", &rest);
    char *query = target != NULL ? strchr(target, '?') : NULL;

    if (target == NULL)
        return false;
    if (query != NULL)
        *query++ = '\0';
    head->request.method = method;
    head->request.path = target;
    head->request.path_len = strlen(target);
    head->request.query = query;
    head->request.query_len = query != NULL ? strlen(query) : 0;
    return true;
}

static void read_header(struct access_head *head, char *line)
{
    char *value = strchr(line, ':');

    if (value == NULL || head->n == ACCESS_REQUEST_HEADERS)
        return;
    *value++ = '\0';
    head->names[head->n] = line;
    head->values[head->n++] = value + strspn(value, " \t");
}

bool access_head_init(struct access_head *head, const char *text, size_t len, int64_t now)
{
    char *rest = NULL;
    char *line;

    memset(head, 0, sizeof(*head));
    head->text = text_copy(text, len);
    line = strtok_r(head->text, "\n", &rest);
    if (line == NULL || !read_target(head, line))
        return false;
    while ((line = strtok_r(NULL, "\n", &rest)) != NULL)
        read_header(head, line);
    head->request.header_at = header_at;
    head->request.arg = head;
    head->request.now = now;
    return true;
}

void access_head_deinit(struct access_head *head)
{
    free(head->text);
}

const char *access_text_with(const char *text, const char *old, const char *new)
{
    static char texts[4][8192];
    static unsigned next;
    const char *at = strstr(text, old);
    char *made = texts[next++ % 4];

    if (at == NULL)
        abort();
    snprintf(made, sizeof(texts[0]), "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    return made;
}

int access_keys_read(const char *text, size_t len, unsigned mode, struct keys **keys,
                     char why[KEYS_WHY_SIZE])
{
    char path[] = "/tmp/mkv-keys-XXXXXX";
    int fd = mkstemp(path);
    int rc;

    if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, mode) < 0)
        abort();
    close(fd);
    rc = keys_read(path, keys, why);
    unlink(path);
    return rc;
}

struct keys *access_keys(const char *text)
{
    char why[KEYS_WHY_SIZE];
    struct keys *keys;

    if (access_keys_read(text, strlen(text), 0600, &keys, why) < 0) {
        fprintf(stderr, "%s\n", why);
        abort();
    }
    return keys;
}
