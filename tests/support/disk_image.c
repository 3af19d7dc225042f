#include "tests/support/disk_image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/storebox.h"

#define SECTOR 512

/* What is known of an op when the power goes. */
struct fate {
    bool safe;   /* on disk, else it may be or not */
    size_t lost; /* the first sync of it that failed, 0: none */
};

/* A file's bytes. What is behind `size` may yet come to be in it. */
struct content {
    unsigned char *bytes;
    size_t size;
    size_t high; /* bytes that were ever written; zeroes behind them */
    size_t room;
};

struct image {
    const struct disk_cut *cut;
    const struct disk_op *ops;
    struct fate *fates;
    struct rng rng;
    struct disk_names names;
    bool directory; /* is there */
};

/* What a sync must be of to bring this to disk. */
static unsigned synced_with(const struct disk_op *op)
{
    switch (op->kind) {
    case DISK_WRITE:
    case DISK_RESIZE:
        return op->file;
    case DISK_NAME:
    case DISK_UNNAME:
    case DISK_RENAME:
        return DISK_DIRECTORY;
    case DISK_MKDIR:
        return DISK_TOP;
    default:
        return DISK_NO_FILE;
    }
}

/* --- Chances --------------------------------------------------------------------------------- */

enum moment { ANY, NO_WRITE, NAMES };

static bool is_moment(const struct disk_op *op, enum moment moment)
{
    return op->kind != DISK_WRITE && (moment == NO_WRITE || synced_with(op) == DISK_DIRECTORY);
}

size_t disk_cut_choose(struct rng *rng, size_t from)
{
    const struct disk_op *ops = disk_log_ops();
    size_t length = disk_log_length();
    enum moment moment = rng_below(rng, 3);
    size_t at = from;
    size_t n = 0;

    for (size_t i = from; i < length && moment != ANY; i++)
        n += is_moment(&ops[i], moment);
    if (n == 0)
        return from + rng_below(rng, length - from + 1);
    for (n = rng_below(rng, n); n > 0 || !is_moment(&ops[at], moment); at++)
        n -= is_moment(&ops[at], moment);
    return at + 1;
}

struct disk_cut disk_cut_random(struct rng *rng)
{
    static const unsigned percents[] = {0, 10, 50, 90, 100};
    struct disk_cut cut = {.any_names = rng_one_in(rng, 2), .stale = rng_one_in(rng, 3)};

    cut.at = disk_cut_choose(rng, disk_log_base());
    cut.keep = percents[rng_below(rng, 5)];
    cut.keep_names = percents[1 + rng_below(rng, 3)];
    cut.tear = percents[rng_below(rng, 5)];
    cut.seed = rng_next(rng);
    return cut;
}

void disk_cut_describe(const struct disk_cut *cut, char *text, size_t size)
{
    snprintf(text, size,
             "cut at op %zu of %zu, %u%% of names, %s, missing data %s, keeps %u%%, tears %u%%",
             cut->at, disk_log_length(), cut->keep_names, cut->any_names ? "any" : "in order",
             cut->stale ? "stale" : "zero", cut->keep, cut->tear);
}

static bool percent(struct image *image, unsigned percent)
{
    return image->cut->keep_all || rng_below(&image->rng, 100) < percent;
}

/* How many of `n` open ops, the first ones, are kept. */
static size_t choose_first(struct image *image, size_t n)
{
    if (image->cut->keep_all || rng_one_in(&image->rng, 3))
        return n;
    return rng_one_in(&image->rng, 2) ? 0 : rng_below(&image->rng, n + 1);
}

/* --- What is on disk for sure ----------------------------------------------------------------- */

/* A sync that failed, or succeeded. One that succeeded though another failed meanwhile has kept its
 * promise; one that began later doesn't cover what that other one lost. Names are not lost like
 * that: they aren't pages of a file but in a file system's own journal, which gets them to disk
 * with the next sync of the directory, or takes no more writes at all. */
static void apply_sync(struct image *image, size_t i)
{
    const struct disk_op *sync = &image->ops[i];

    for (size_t at = 0; at < sync->at; at++) {
        struct fate *fate = &image->fates[at];

        if (synced_with(&image->ops[at]) != sync->file || fate->safe)
            continue;
        if (sync->kind == DISK_SYNC)
            fate->safe = fate->lost == 0 || fate->lost >= sync->at;
        else if (fate->lost == 0 && sync->file >= DISK_FIRST_FILE)
            fate->lost = i;
    }
}

/* Most files are synced over and over: where none of it failed, ops are looked at once. */
static void find_fates(struct image *image)
{
    static size_t done[DISK_FILES];
    static bool failed[DISK_FILES];

    memset(done, 0, sizeof(done));
    memset(failed, 0, sizeof(failed));
    for (size_t i = 0; i < image->cut->at; i++)
        failed[image->ops[i].file] |= image->ops[i].kind == DISK_SYNC_FAILED;
    for (size_t i = 0; i < image->cut->at; i++) {
        const struct disk_op *sync = &image->ops[i];

        if (sync->kind != DISK_SYNC && sync->kind != DISK_SYNC_FAILED)
            continue;
        if (failed[sync->file])
            apply_sync(image, i);
        for (; done[sync->file] < sync->at && !failed[sync->file]; done[sync->file]++)
            if (synced_with(&image->ops[done[sync->file]]) == sync->file)
                image->fates[done[sync->file]].safe = true;
    }
}

static size_t count_open(const struct image *image, unsigned file)
{
    size_t n = 0;

    for (size_t i = 0; i < image->cut->at; i++)
        n += !image->fates[i].safe && synced_with(&image->ops[i]) == file;
    return n;
}

static void find_names(struct image *image)
{
    size_t first = choose_first(image, count_open(image, DISK_DIRECTORY));
    bool any = image->cut->any_names && !image->cut->keep_all;

    for (size_t i = 0; i < image->cut->at; i++) {
        const struct disk_op *op = &image->ops[i];
        bool kept = image->fates[i].safe;

        if (op->kind == DISK_MKDIR)
            image->directory = kept || percent(image, image->cut->keep_names);
        if (synced_with(op) != DISK_DIRECTORY)
            continue;
        if (!kept && any)
            kept = percent(image, image->cut->keep_names);
        else if (!kept && first > 0) {
            kept = true;
            first--;
        }
        if (kept)
            disk_names_apply(&image->names, op);
    }
}

/* --- Content --------------------------------------------------------------------------------- */

static void make_room(struct content *content, size_t n)
{
    if (n <= content->room)
        return;
    content->bytes = realloc(content->bytes, 2 * n);
    STOREBOX_CHECK(content->bytes != NULL, "no memory");
    memset(content->bytes + content->room, 0, 2 * n - content->room);
    content->room = 2 * n;
}

/* Bytes that some write brought to another file, in the place of such that got lost: where a file
 * grows, the disk can't have had bytes of its own. */
static void fill_stale(struct image *image, const struct disk_op *lost, unsigned char *bytes,
                       size_t n)
{
    const struct disk_op *op = &image->ops[rng_below(&image->rng, image->cut->at)];

    if (op->kind == DISK_WRITE && op->file != lost->file)
        memcpy(bytes, op->bytes, n < op->n ? n : op->n);
}

enum { DROP = 0, KEEP = SECTOR }; /* bytes of a sector, or some between */

static size_t choose_sector(struct image *image, unsigned keep)
{
    if (rng_one_in(&image->rng, 8))
        return rng_below(&image->rng, SECTOR);
    return percent(image, keep) ? KEEP : DROP;
}

/* One sector's share of a write: file bytes from `at` to `end`, of which those before `cut` reach
 * the disk. */
static void write_sector(struct image *image, struct content *content, const struct disk_op *op,
                         size_t at, size_t end, size_t cut)
{
    if (cut > end)
        cut = end;
    if (cut > at)
        memcpy(content->bytes + at, op->bytes + (at - op->at), cut - at);
    if (cut < end && at >= content->high && image->cut->stale)
        fill_stale(image, op, content->bytes + (cut > at ? cut : at), end - (cut > at ? cut : at));
}

static void apply_write(struct image *image, struct content *content, const struct disk_op *op,
                        bool safe)
{
    bool torn = !safe && !image->cut->keep_all && percent(image, image->cut->tear);
    bool kept = safe || percent(image, image->cut->keep);
    unsigned keep = rng_below(&image->rng, 101);
    size_t end = op->at + op->n;

    make_room(content, end);
    for (size_t at = op->at; at < end;) {
        size_t sector = at / SECTOR * SECTOR;
        size_t next = sector + SECTOR < end ? sector + SECTOR : end;
        size_t share = torn ? choose_sector(image, keep) : kept ? KEEP : DROP;

        write_sector(image, content, op, at, next, share == DROP ? 0 : sector + share);
        at = next;
    }
    if (content->high < end)
        content->high = end;
}

static void apply_resize(struct content *content, size_t size)
{
    make_room(content, size);
    if (content->high > size)
        memset(content->bytes + size, 0, content->high - size);
    if (content->high > size)
        content->high = size;
    content->size = size;
}

static struct content find_content(struct image *image, unsigned file)
{
    struct content content = {.size = 0};
    size_t sizes = choose_first(image, count_open(image, file));

    make_room(&content, 1);
    for (size_t i = 0; i < image->cut->at; i++) {
        const struct disk_op *op = &image->ops[i];
        bool safe = image->fates[i].safe;
        bool sized = safe || sizes > 0;

        if (synced_with(op) != file)
            continue;
        sizes -= !safe && sizes > 0;
        if (op->kind == DISK_WRITE)
            apply_write(image, &content, op, safe);
        if (op->kind == DISK_WRITE && sized && content.size < op->at + op->n)
            content.size = op->at + op->n;
        if (op->kind == DISK_RESIZE && sized)
            apply_resize(&content, op->at);
    }
    return content;
}

/* --- Images ---------------------------------------------------------------------------------- */

static void image_init(struct image *image, const struct disk_cut *cut)
{
    *image = (struct image){.cut = cut, .ops = disk_log_ops(), .rng = {.state = cut->seed}};
    image->fates = calloc(cut->at + 1, sizeof(*image->fates));
    STOREBOX_CHECK(image->fates != NULL, "no memory");
    find_fates(image);
    find_names(image);
}

static void make_path(char path[PATH_MAX], const char *directory, const char *name)
{
    snprintf(path, PATH_MAX, "%s/%s", directory, name);
}

static void write_content(const char *path, const struct content *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    STOREBOX_CHECK(fd >= 0, "%s: %s", path, strerror(errno));
    for (size_t at = 0; at < content->size;) {
        ssize_t n = pwrite(fd, content->bytes + at, content->size - at, (off_t)at);

        STOREBOX_CHECK(n > 0, "%s: %s", path, strerror(errno));
        at += (size_t)n;
    }
    close(fd);
}

/* The first name of the file of name `i`; it is `i` itself unless there are links. */
static unsigned first_name(const struct disk_names *names, unsigned i)
{
    unsigned first = 0;

    while (names->list[first].file != names->list[i].file)
        first++;
    return first;
}

void disk_image_write(const struct disk_cut *cut, const char *directory)
{
    struct image image;
    char first[PATH_MAX];
    char path[PATH_MAX];

    image_init(&image, cut);
    if (image.directory)
        STOREBOX_CHECK(mkdir(directory, 0700) == 0, "%s: %s", directory, strerror(errno));
    for (unsigned i = 0; image.directory && i < image.names.n; i++) {
        unsigned link_to = first_name(&image.names, i);
        struct content content;

        make_path(path, directory, image.names.list[i].name);
        make_path(first, directory, image.names.list[link_to].name);
        if (link_to < i) {
            STOREBOX_CHECK(link(first, path) == 0, "%s: %s", path, strerror(errno));
            continue;
        }
        content = find_content(&image, image.names.list[i].file);
        write_content(path, &content);
        free(content.bytes);
    }
    free(image.fates);
}

static void compare_content(const char *path, const struct content *content)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char *bytes = malloc(content->size + 1);
    ssize_t n;

    STOREBOX_CHECK(fd >= 0 && bytes != NULL, "%s: %s", path, strerror(errno));
    n = read(fd, bytes, content->size + 1);
    STOREBOX_CHECK(n == (ssize_t)content->size, "%s: %zd bytes of it were seen to be written: %zu",
                   path, n, content->size);
    STOREBOX_CHECK(memcmp(bytes, content->bytes, (size_t)n) == 0,
                   "%s was changed by a call that wasn't seen", path);
    free(bytes);
    close(fd);
}

static unsigned count_files(const char *directory)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;
    unsigned n = 0;

    STOREBOX_CHECK(dir != NULL, "%s: %s", directory, strerror(errno));
    while ((entry = readdir(dir)) != NULL)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

void disk_image_compare(const struct disk_cut *cut, const char *directory)
{
    struct image image;
    char path[PATH_MAX];

    image_init(&image, cut);
    STOREBOX_CHECK(image.directory && count_files(directory) == image.names.n,
                   "%s holds %u names; %u were seen", directory, count_files(directory),
                   image.names.n);
    for (unsigned i = 0; i < image.names.n; i++) {
        struct content content = find_content(&image, image.names.list[i].file);

        make_path(path, directory, image.names.list[i].name);
        compare_content(path, &content);
        free(content.bytes);
    }
    free(image.fates);
}
