#include "index/base/process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/clock.h"

static struct {
    uint64_t began; /* ms since 1970; 0: process_begin() wasn't called */
    int memory;     /* /proc/self/statm, or -1 */
} process = {.memory = -1};

void process_begin(void)
{
    if (process.began != 0)
        return;
    process.began = clock_now_ms();
    process.memory = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

static uint64_t microseconds(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

static void expose_cpu(struct exposition *e)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) < 0)
        return;
    exposition_begin(e, "process_cpu_seconds_total", "counter",
                     "CPU time, of the user and of the kernel.");
    exposition_add(e, NULL, microseconds(&usage.ru_utime) + microseconds(&usage.ru_stime),
                   EXPOSITION_MICRO);
}

/* proc(5): size, resident, shared, in pages. Whether all three are there. */
static bool read_memory(uint64_t pages[3])
{
    char text[128];
    ssize_t n = process.memory >= 0 ? pread(process.memory, text, sizeof(text) - 1, 0) : -1;
    const char *p = text;
    char *end;

    if (n <= 0)
        return false;
    text[n] = '\0';
    for (unsigned i = 0; i < 3; i++, p = end) {
        pages[i] = strtoull(p, &end, 10);
        if (end == p)
            return false;
    }
    return true;
}

static void expose_memory(struct exposition *e)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t pages[3];

    if (!read_memory(pages))
        return;
    exposition_gauge(e, "process_virtual_memory_bytes", "Memory that is mapped.", pages[0] * page);
    exposition_gauge(e, "process_resident_memory_bytes", "Memory that is there.", pages[1] * page);
    exposition_gauge(e, "mkv_memory_anonymous_bytes",
                     "Memory that is there and belongs to no file (RssAnon).",
                     (pages[1] > pages[2] ? pages[1] - pages[2] : 0) * page);
}

/* Since Linux 6.2 the directory's size is the number of them. */
static void expose_descriptors(struct exposition *e)
{
    struct rlimit limit;
    struct stat st;

    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
        exposition_gauge(e, "process_open_fds", "Open file descriptors.", (uint64_t)st.st_size);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        exposition_gauge(e, "process_max_fds", "Limit of open file descriptors.", limit.rlim_cur);
}

void process_expose(struct exposition *e)
{
    expose_cpu(e);
    expose_memory(e);
    expose_descriptors(e);
    if (process.began == 0)
        return;
    exposition_begin(e, "process_start_time_seconds", "gauge",
                     "When the process began, since 1970.");
    exposition_add(e, NULL, process.began, EXPOSITION_MILLI);
}
