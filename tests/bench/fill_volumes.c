/* Fills volumes' directories with small blobs, as if mkv had stored them, a thousand times as fast.
 *
 *     fill_volumes [--files N] [--copies C] [--size BYTES] HOST:PORT=DIR...
 *
 * N files in all (1,000,000), the C copies (1) of each key on the volumes that an index would
 * choose of those names, with their notes. Each volume has a thread of its own. Nothing is synced.
 * Root makes them as the one whom the first directory belongs to, as nginx does.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "index/base/md5.h"
#include "index/cluster/placement.h"
#include "index/objects/note.h"

#define VOLUMES_MOST 16
#define SIZE_MOST    65536
#define FIRST_TIME   1763740800123 /* ms; each key has a later one */

struct fill {
    uint64_t keys;
    unsigned copies;
    size_t size;
    const char *names[VOLUMES_MOST];
    const char *directories[VOLUMES_MOST];
    size_t n;
};

struct filler {
    const struct fill *fill;
    size_t volume;
    int dir;
    char value[SIZE_MOST];
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "fill_volumes: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Opens the file, and makes its directories if there are none yet. */
static int make_file(const struct filler *f, char *path)
{
    int fd = openat(f->dir, path + 1, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (fd >= 0 || errno != ENOENT)
        return fd;
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdirat(f->dir, path + 1, 0700) < 0 && errno != EEXIST)
            die(path);
        *slash = '/';
    }
    return openat(f->dir, path + 1, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static void write_blob(struct filler *f, const char *key, size_t len, uint64_t generation)
{
    struct note note = {.has_size = true, .size = f->fill->size, .has_md5 = true};
    char path[PLACEMENT_PATH_MAX];
    char text[NOTE_MAX];
    size_t n;
    int fd;

    memcpy(f->value, &generation, sizeof(generation)); /* no two are the same */
    md5_of(f->value, f->fill->size, note.md5);
    n = note_format(&note, text);
    placement_path(key, len, generation, path);
    fd = make_file(f, path);
    if (fd < 0 || write(fd, f->value, f->fill->size) != (ssize_t)f->fill->size)
        die(path);
    if (fsetxattr(fd, "user.mkv", text, n, 0) < 0 && errno != ENOTSUP)
        die(path);
    close(fd);
}

static void *fill_volume(void *arg)
{
    struct filler *f = arg;
    const struct fill *fill = f->fill;
    const struct placement_list list = {.names = fill->names, .n = fill->n, .subvolumes = 1};
    struct placement best[VOLUMES_MOST];
    char key[64];

    for (uint64_t i = 0; i < fill->keys; i++) {
        int len = snprintf(key, sizeof(key), "/photos/%03u/%08" PRIu64 ".jpg",
                           (unsigned)(i * 2654435761U % 1000), i);

        placement_choose(key, (size_t)len, &list, fill->copies, best);
        for (unsigned c = 0; c < fill->copies; c++) {
            if (best[c].volume == f->volume)
                write_blob(f, key, (size_t)len, (FIRST_TIME + i) << 16 | 1);
        }
    }
    return NULL;
}

static void become_owner_of(const char *directory)
{
    struct stat st;

    if (stat(directory, &st) < 0)
        die(directory);
    if (geteuid() == 0 && (setegid(st.st_gid) < 0 || seteuid(st.st_uid) < 0))
        die("the directory's owner");
}

static void fill_all(const struct fill *fill)
{
    pthread_t threads[VOLUMES_MOST];
    struct filler *fillers = calloc(fill->n, sizeof(*fillers));

    for (size_t i = 0; i < fill->n; i++) {
        fillers[i].fill = fill;
        fillers[i].volume = i;
        fillers[i].dir = open(fill->directories[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fillers[i].dir < 0)
            die(fill->directories[i]);
        if (pthread_create(&threads[i], NULL, fill_volume, &fillers[i]) != 0)
            die("a thread");
    }
    for (size_t i = 0; i < fill->n; i++) {
        pthread_join(threads[i], NULL);
        close(fillers[i].dir);
    }
    free(fillers);
}

static bool take_volumes(struct fill *fill, char **args, int n)
{
    if (n < 1 || n > VOLUMES_MOST || fill->copies < 1 || fill->copies > (unsigned)n)
        return false;
    for (int i = 0; i < n; i++) {
        char *equals = strchr(args[i], '=');

        if (equals == NULL)
            return false;
        *equals = '\0';
        fill->names[i] = args[i];
        fill->directories[i] = equals + 1;
    }
    fill->n = (size_t)n;
    return true;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"files", required_argument, NULL, 'f'},
                                            {"copies", required_argument, NULL, 'c'},
                                            {"size", required_argument, NULL, 's'},
                                            {0}};
    struct fill fill = {.copies = 1, .size = 1024};
    uint64_t files = 1000000;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (c == 'f')
            files = strtoull(optarg, NULL, 10);
        else if (c == 'c')
            fill.copies = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 's')
            fill.size = strtoul(optarg, NULL, 10);
        else
            return 2;
    }
    if (fill.size < sizeof(uint64_t) || fill.size > SIZE_MOST ||
        !take_volumes(&fill, argv + optind, argc - optind)) {
        fputs("fill_volumes [--files N] [--copies C] [--size BYTES] HOST:PORT=DIR...\n", stderr);
        return 2;
    }
    become_owner_of(fill.directories[0]);
    fill.keys = files / fill.copies;
    fill_all(&fill);
    return 0;
}
