#include "launcher/volume/volume_id.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "launcher/nginx/files.h"

int volume_id_read(int fd, char id[VOLUME_ID_SIZE + 1])
{
    int file = files_open_plain(fd, "id", O_NOFOLLOW);
    char text[VOLUME_ID_SIZE + 3];
    ssize_t n;
    int rc;

    if (file < 0)
        return file;
    n = read(file, text, sizeof(text) - 1);
    rc = n < 0 ? -errno : 0;
    close(file);
    if (n < 0)
        return rc;
    text[n] = '\0';
    if (n != VOLUME_ID_SIZE + 1 || text[VOLUME_ID_SIZE] != '\n' ||
        strspn(text, "0123456789abcdef") != VOLUME_ID_SIZE)
        return -EILSEQ;
    memcpy(id, text, VOLUME_ID_SIZE);
    id[VOLUME_ID_SIZE] = '\0';
    return 0;
}

static int write_durably(int fd, const char *text, size_t n)
{
    ssize_t written;
    int rc = 0;
    int file;

    /* What a crash left there, or somebody put there. */
    unlinkat(fd, "id.new", 0);
    file = openat(fd, "id.new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return -errno;
    written = write(file, text, n);
    if (written < 0 || fsync(file) < 0)
        rc = -errno;
    else if ((size_t)written != n)
        rc = -ENOSPC;
    close(file);
    if (rc == 0 && (renameat(fd, "id.new", fd, "id") < 0 || fsync(fd) < 0))
        rc = -errno;
    return rc;
}

int volume_id_make(int fd, char id[VOLUME_ID_SIZE + 1])
{
    unsigned char bits[VOLUME_ID_SIZE / 2];
    char text[VOLUME_ID_SIZE + 2];
    int rc;

    if (getrandom(bits, sizeof(bits), 0) != sizeof(bits))
        return -EIO;
    for (size_t i = 0; i < sizeof(bits); i++)
        snprintf(text + 2 * i, 3, "%02x", bits[i]);
    text[VOLUME_ID_SIZE] = '\n';
    rc = write_durably(fd, text, VOLUME_ID_SIZE + 1);
    if (rc < 0)
        return rc;
    memcpy(id, text, VOLUME_ID_SIZE);
    id[VOLUME_ID_SIZE] = '\0';
    return 0;
}
