#include "tests/crash/fault.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct fault_kind *armed;
static const char *armed_directory;
static unsigned armed_n;
static atomic_uint calls;
static atomic_uint hits;
static atomic_bool active;

static bool is_below(const char *path)
{
    return strncmp(path, armed_directory, strlen(armed_directory)) == 0;
}

static bool is_ours(const struct interpose_event *e)
{
    char link[32];
    char path[PATH_MAX];
    ssize_t n;

    if (e->call == INTERPOSE_MEMORY)
        return true;
    if (e->path != NULL)
        return is_below(e->path);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", e->fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    return is_below(path);
}

static size_t write_size(const struct interpose_event *e)
{
    size_t size = 0;

    for (int i = 0; i < e->n_iov; i++)
        size += e->iov[i].iov_len;
    return size;
}

static int fault_cb(struct interpose_event *e)
{
    unsigned n;

    if (!atomic_load(&active) || e->call != armed->call || !is_ours(e))
        return 0;
    n = atomic_fetch_add(&calls, 1) + 1;
    if (n != armed_n && (n < armed_n || !armed->stays))
        return 0;
    atomic_fetch_add(&hits, 1);
    if (armed->error != 0 && !(armed->torn && n == armed_n))
        return armed->error;
    e->limit = write_size(e) / 2;
    return 0;
}

void fault_begin(const struct fault_kind *kind, unsigned n, const char *directory)
{
    armed = kind;
    armed_n = n;
    armed_directory = directory;
    atomic_store(&calls, 0);
    atomic_store(&hits, 0);
    atomic_store(&active, true);
    interpose_set_fault(fault_cb);
}

void fault_end(void)
{
    atomic_store(&active, false);
    interpose_set_fault(NULL);
}

void fault_pause(void)
{
    interpose_set_fault(NULL);
}

void fault_resume(void)
{
    if (atomic_load(&active))
        interpose_set_fault(fault_cb);
}

unsigned fault_hits(void)
{
    return atomic_load(&hits);
}
