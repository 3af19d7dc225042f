/* Preloaded into a program, and what that starts: names of files have NAME_BYTES bytes at most, as
 * on eCryptfs. (Only of calls that mkv and nginx make for a blob.) */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_BYTES 143

static bool is_too_long(const char *path)
{
    for (;;) {
        size_t n = strcspn(path, "/");

        if (n > NAME_BYTES) {
            errno = ENAMETOOLONG;
            return true;
        }
        if (path[n] == '\0')
            return false;
        path += n + 1;
    }
}

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
int openat(int at, const char *path, int flags, ...)
{
    int (*real)(int, const char *, int, ...) =
        (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return is_too_long(path) ? -1 : real(at, path, flags, mode);
}

int mkdir(const char *path, mode_t mode)
{
    int (*real)(const char *, mode_t) = (int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir");

    return is_too_long(path) ? -1 : real(path, mode);
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) =
        (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");

    return is_too_long(to) ? -1 : real(from, to);
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
