#include "index/admin/job_request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "index/base/address.h"
#include "index/http/query.h"

struct parameter {
    const char *name;
    const char *kind; /* of the jobs that know it; NULL: all */
    /* Whether the value is good, and then it is taken. */
    bool (*set)(void *field, const char *value, size_t len);
    size_t offset; /* of the field in struct job_options */
};

static bool parse_number(const char *digits, size_t len, uint64_t *number)
{
    uint64_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9' || n > (UINT64_MAX - 9) / 10)
            return false;
        n = n * 10 + (uint64_t)(digits[i] - '0');
    }
    *number = n;
    return len > 0;
}

static bool set_flag(void *field, const char *value, size_t len)
{
    if (len != 1 || (*value != '0' && *value != '1'))
        return false;
    *(bool *)field = *value == '1';
    return true;
}

static bool set_volume(void *field, const char *value, size_t len)
{
    struct address address;
    char text[VOLUME_ADDRESS_MAX];

    if (len >= sizeof(text) || memchr(value, '\0', len) != NULL)
        return false;
    memcpy(text, value, len);
    text[len] = '\0';
    if (volume_name_parse(text, &address) < 0)
        return false;
    strcpy(field, text);
    return true;
}

static bool set_jobs(void *field, const char *value, size_t len)
{
    uint64_t n;

    if (!parse_number(value, len, &n) || n == 0 || n > JOB_JOBS_MAX)
        return false;
    *(unsigned *)field = (unsigned)n;
    return true;
}

static bool set_rate(void *field, const char *value, size_t len)
{
    return parse_number(value, len, field) && *(uint64_t *)field > 0;
}

static const struct parameter parameters[] = {
    {"volume", NULL, set_volume, offsetof(struct job_options, volume)},
    {"dry_run", "rebalance", set_flag, offsetof(struct job_options, dry_run)},
    {"deep", "verify", set_flag, offsetof(struct job_options, deep)},
    {"repair", "verify", set_flag, offsetof(struct job_options, repair)},
    {"remove_orphans", "verify", set_flag, offsetof(struct job_options, remove_orphans)},
    {"undo", "drain", set_flag, offsetof(struct job_options, undo)},
    {"jobs", NULL, set_jobs, offsetof(struct job_options, jobs)},
    {"rate", NULL, set_rate, offsetof(struct job_options, rate)},
};

#define N_PARAMETERS (sizeof(parameters) / sizeof(parameters[0]))

static bool are_known(const char *query, size_t len)
{
    const char *names[N_PARAMETERS + 1] = {NULL};

    for (size_t i = 0; i < N_PARAMETERS; i++)
        names[i] = parameters[i].name;
    return query_has_only(query, len, names);
}

static int refuse(char text[JOB_REQUEST_TEXT_MAX], const struct job_type *type, const char *what,
                  const char *name)
{
    snprintf(text, JOB_REQUEST_TEXT_MAX, "%s %s %s\n", type->name, what, name);
    return -EINVAL;
}

/* 0, also where the parameter isn't there. */
static int take(const struct job_type *type, const struct parameter *p, const char *query,
                size_t len, struct job_options *options, char text[JOB_REQUEST_TEXT_MAX])
{
    char value[VOLUME_ADDRESS_MAX];
    size_t n;
    int rc = query_find(query, len, p->name, value, sizeof(value), &n);

    if (rc == -ENOENT)
        return 0;
    if (p->kind != NULL && strcmp(p->kind, type->name) != 0)
        return refuse(text, type, "has no parameter", p->name);
    if (rc < 0 || !p->set((char *)options + p->offset, value, n))
        return refuse(text, type, "is given a wrong value for the parameter", p->name);
    return 0;
}

int job_request_parse(const struct job_type *type, const char *query, size_t len,
                      struct job_options *options, char text[JOB_REQUEST_TEXT_MAX])
{
    struct job_options o = {.jobs = 0};

    if (query != NULL && !are_known(query, len))
        return refuse(text, type, "is given", "an unknown parameter");
    for (size_t i = 0; i < N_PARAMETERS; i++) {
        if (take(type, &parameters[i], query, len, &o, text) < 0)
            return -EINVAL;
    }
    if (type->needs_volume && o.volume[0] == '\0')
        return refuse(text, type, "needs the parameter", "volume");
    if (!type->needs_volume && o.volume[0] != '\0')
        return refuse(text, type, "has no parameter", "volume");
    *options = o;
    return 0;
}

int job_request_id(const char *digits, size_t len, uint64_t *id)
{
    return parse_number(digits, len, id) ? 0 : -EINVAL;
}
