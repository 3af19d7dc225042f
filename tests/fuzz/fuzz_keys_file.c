/* Any bytes as a file of keys: it is read, or refused with a line that names the file. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/access/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct keys *keys)
{
    const struct identity *nobody = keys_anonymous(keys);

    if (access_may(nobody, ACCESS_READ, "b", "k", 1) && !access_may_see(nobody, "b"))
        abort();
    keys_hold(keys);
    keys_release(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("keys", MFD_CLOEXEC);
    char why[KEYS_WHY_SIZE] = "";
    struct keys *keys;
    char path[32];

    if (fd < 0 || fchmod(fd, 0600) < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (keys_read(path, &keys, why) == 0) {
        use(keys);
        keys_release(keys);
    } else if (strncmp(why, path, strlen(path)) != 0) {
        abort();
    }
    close(fd);
    return 0;
}
