/* Calls of the kernel are made by syscall(), those for memory by libc's, or the sanitizer's, other
 * names: looking up the next definition by dlsym() would itself ask for memory. */
#undef _FORTIFY_SOURCE /* its headers define some of these inline */
#include "tests/support/interpose.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// libc names its parameters with underscores:
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)

static interpose_fault_cb fault;
static const struct interpose_watch *watch;
static _Thread_local bool inside; /* a callback, or a call that another one makes */

void interpose_set_fault(interpose_fault_cb cb)
{
    fault = cb;
}

void interpose_set_watch(const struct interpose_watch *w)
{
    watch = w;
}

/* --- Around a call --------------------------------------------------------------------------- */

/* Whether the call is to be made; else it has failed. */
static bool enter(struct interpose_event *e)
{
    int saved = errno;

    if (inside)
        return true;
    inside = true;
    e->error = 0;
    if (watch != NULL)
        watch->before(e);
    if (fault != NULL)
        e->error = fault(e);
    inside = false;
    e->result = -1;
    errno = e->error != 0 ? e->error : saved;
    return e->error == 0;
}

static ssize_t leave(struct interpose_event *e, ssize_t result)
{
    int saved = errno;

    if (inside)
        return result;
    inside = true;
    e->result = result;
    e->error = result < 0 ? saved : 0;
    if (watch != NULL)
        watch->after(e);
    inside = false;
    errno = saved;
    return result;
}

/* A call that nobody watches, but that may fail. */
static bool fails(enum interpose_call call, int fd, const char *path)
{
    struct interpose_event e = {.call = call, .fd = fd, .path = path};
    int saved = errno;
    int error;

    if (inside || fault == NULL)
        return false;
    inside = true;
    error = fault(&e);
    inside = false;
    errno = error != 0 ? error : saved;
    return error != 0;
}

/* --- Files ----------------------------------------------------------------------------------- */

static int do_open(const char *path, int flags, mode_t mode)
{
    struct interpose_event e = {.call = INTERPOSE_OPEN, .fd = -1, .path = path, .flags = flags};
    long fd = -1;

    if (enter(&e))
        fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    return (int)leave(&e, fd);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    if (flags & (O_CREAT | O_TMPFILE)) {
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return do_open(path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return do_open(path, flags, 0);
}

int close(int fd)
{
    struct interpose_event e = {.call = INTERPOSE_CLOSE, .fd = fd};
    long rc = -1;

    if (enter(&e))
        rc = syscall(SYS_close, fd);
    return (int)leave(&e, rc);
}

/* By number of the call; at -1 means where the file is. */
static ssize_t do_write(int fd, const struct iovec *iov, int n, off_t at)
{
    struct interpose_event e = {.call = INTERPOSE_WRITE, .fd = fd, .iov = iov, .n_iov = n};
    struct iovec one = iov[0];
    ssize_t rc = -1;
    int saved = errno;

    e.offset = at >= 0 ? at : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    errno = saved;
    if (enter(&e)) {
        if (e.limit > 0 && e.limit < one.iov_len)
            one.iov_len = e.limit;
        if (e.limit > 0) {
            iov = &one;
            n = 1;
        }
        rc = at >= 0 ? syscall(SYS_pwritev, fd, iov, (long)n, at, 0L)
                     : syscall(SYS_writev, fd, iov, (long)n);
    }
    return leave(&e, rc);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    struct iovec iov = {.iov_base = (void *)bytes, .iov_len = n};

    return do_write(fd, &iov, 1, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    struct iovec iov = {.iov_base = (void *)bytes, .iov_len = n};

    return do_write(fd, &iov, 1, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at) __attribute__((alias("pwrite")));

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    return do_write(fd, iov, n, at);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off_t at)
    __attribute__((alias("pwritev")));

int ftruncate(int fd, off_t size)
{
    struct interpose_event e = {.call = INTERPOSE_RESIZE, .fd = fd, .offset = size};
    long rc = -1;

    if (enter(&e))
        rc = syscall(SYS_ftruncate, fd, size);
    return (int)leave(&e, rc);
}

int ftruncate64(int fd, off_t size) __attribute__((alias("ftruncate")));

int fsync(int fd)
{
    struct interpose_event e = {.call = INTERPOSE_SYNC, .fd = fd};

    return (int)leave(&e, enter(&e) ? 0 : -1);
}

int fdatasync(int fd)
{
    return fsync(fd);
}

int link(const char *from, const char *to)
{
    struct interpose_event e = {.call = INTERPOSE_LINK, .fd = -1, .path = from, .to = to};
    long rc = -1;

    if (enter(&e))
        rc = syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
    return (int)leave(&e, rc);
}

int rename(const char *from, const char *to)
{
    struct interpose_event e = {.call = INTERPOSE_RENAME, .fd = -1, .path = from, .to = to};
    long rc = -1;

    if (enter(&e))
        rc = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    return (int)leave(&e, rc);
}

int unlink(const char *path)
{
    struct interpose_event e = {.call = INTERPOSE_UNLINK, .fd = -1, .path = path};
    long rc = -1;

    if (enter(&e))
        rc = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    return (int)leave(&e, rc);
}

int mkdir(const char *path, mode_t mode)
{
    struct interpose_event e = {.call = INTERPOSE_MKDIR, .fd = -1, .path = path};
    long rc = -1;

    if (enter(&e))
        rc = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    return (int)leave(&e, rc);
}

static void *map_file(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    struct interpose_event e = {.call = INTERPOSE_MAP, .fd = fd, .flags = prot};
    long rc = -1;

    if (flags & MAP_PRIVATE)
        e.flags &= ~PROT_WRITE;
    if (enter(&e))
        rc = syscall(SYS_mmap, at, n, (long)prot, (long)flags, fd, offset);
    leave(&e, rc == -1 ? -1 : 0);
    return (void *)rc; // NOLINT(performance-no-int-to-ptr)
}

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    if (fd >= 0 && !(flags & MAP_ANONYMOUS))
        return map_file(at, n, prot, flags, fd, offset);
    if (fails(INTERPOSE_MEMORY, -1, NULL))
        return MAP_FAILED;
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    return (void *)syscall(SYS_mmap, at, n, (long)prot, (long)flags, fd, offset);
}

void *mmap64(void *at, size_t n, int prot, int flags, int fd, off_t offset)
    __attribute__((alias("mmap")));

/* --- Reading --------------------------------------------------------------------------------- */

ssize_t read(int fd, void *bytes, size_t n)
{
    return fails(INTERPOSE_READ, fd, NULL) ? -1 : syscall(SYS_read, fd, bytes, n);
}

ssize_t pread(int fd, void *bytes, size_t n, off_t at)
{
    return fails(INTERPOSE_READ, fd, NULL) ? -1 : syscall(SYS_pread64, fd, bytes, n, at);
}

ssize_t pread64(int fd, void *bytes, size_t n, off_t at) __attribute__((alias("pread")));

DIR *opendir(const char *path)
{
    static DIR *(*real)(const char *);

    if (real == NULL)
        real = (DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir");
    return fails(INTERPOSE_READ, -1, path) ? NULL : real(path);
}

/* --- Memory ---------------------------------------------------------------------------------- */

#ifdef INTERPOSE_SANITIZED
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif

void *REAL(malloc)(size_t n);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *block, size_t n);

void *malloc(size_t n)
{
    return fails(INTERPOSE_MEMORY, -1, NULL) ? NULL : REAL(malloc)(n);
}

void *calloc(size_t n, size_t size)
{
    return fails(INTERPOSE_MEMORY, -1, NULL) ? NULL : REAL(calloc)(n, size);
}

void *realloc(void *block, size_t n)
{
    return fails(INTERPOSE_MEMORY, -1, NULL) ? NULL : REAL(realloc)(block, n);
}

// NOLINTEND(readability-inconsistent-declaration-parameter-name)
