/* The handler runs in the midst of whatever read the file, so all that it calls is safe there:
 * which file it was stands in /proc/self/maps, which is read with read(2) alone. */
#include "launcher/bus_error.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/base/log.h"

struct maps {
    int fd;
    size_t at;
    size_t n; /* bytes in `bytes` */
    char bytes[1024];
};

/* The next byte, or -1 at the end. */
static int next_byte(struct maps *maps)
{
    if (maps->at == maps->n) {
        ssize_t n = read(maps->fd, maps->bytes, sizeof(maps->bytes));

        if (n <= 0)
            return -1;
        maps->n = (size_t)n;
        maps->at = 0;
    }
    return (unsigned char)maps->bytes[maps->at++];
}

/* Reads a line, cut to `size`, without its newline. */
static bool next_line(struct maps *maps, char *line, size_t size)
{
    size_t n = 0;
    int byte;

    while ((byte = next_byte(maps)) >= 0 && byte != '\n')
        if (n + 1 < size)
            line[n++] = (char)byte;
    line[n] = '\0';
    return byte >= 0;
}

/* Reads a hexadecimal number, and moves on after the byte that ends it. */
static uintptr_t read_address(const char **text)
{
    static const char digits[] = "0123456789abcdef";
    const char *digit;
    uintptr_t address = 0;

    for (; **text != '\0' && (digit = strchr(digits, **text)) != NULL; (*text)++)
        address = address << 4 | (uintptr_t)(digit - digits);
    *text += **text != '\0';
    return address;
}

/* The file of the mapping at `address`, in `line`; "a mapped file" if it can't be told. A line of
 * the list is "from-to flags offset device inode   path". */
static const char *find_file(uintptr_t address, char *line, size_t size)
{
    struct maps maps = {.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)};
    const char *found = NULL;

    while (found == NULL && next_line(&maps, line, size)) {
        const char *at = line;
        uintptr_t from = read_address(&at);
        uintptr_t to = read_address(&at);

        if (address >= from && address < to)
            found = strchr(at, '/');
        else if (from > address)
            break;
    }
    if (maps.fd >= 0)
        close(maps.fd);
    return found != NULL ? found : "a mapped file";
}

static size_t append(char *text, size_t n, size_t size, const char *more)
{
    while (*more != '\0' && n < size)
        text[n++] = *more++;
    return n;
}

static void bus_error_cb(int number, siginfo_t *info, void *context)
{
    static atomic_flag said;
    char line[PATH_MAX + 128];
    char text[PATH_MAX + 256];
    size_t n = 0;

    (void)context;
    if (info->si_code != BUS_ADRERR && info->si_code != BUS_MCEERR_AR) {
        signal(number, SIG_DFL);
        raise(number); /* comes when we have returned */
        return;
    }
    while (atomic_flag_test_and_set(&said))
        pause(); /* another thread is about to end us */
    n = append(text, n, sizeof(text), "error mkv: cannot read ");
    n = append(text, n, sizeof(text), find_file((uintptr_t)info->si_addr, line, sizeof(line)));
    n = append(text, n, sizeof(text), ": it was cut short, or its disk has a bad block\n");
    log_raw(text, n);
    _exit(EXIT_FAILURE);
}

void bus_error_init(void)
{
    struct sigaction action = {.sa_sigaction = bus_error_cb, .sa_flags = SA_SIGINFO};

    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
