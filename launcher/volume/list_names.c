#include "launcher/volume/list_names.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_SIZE 4096

static void free_block(struct list_names *names)
{
    if (names->is_mapped)
        munmap(names->block, names->size);
    else
        free(names->block);
    names->block = NULL;
    names->size = 0;
    names->is_mapped = false;
}

void list_names_clear(struct list_names *names)
{
    if (names->is_mapped)
        free_block(names);
    names->used = names->n = 0;
    names->is_partial = false;
}

void list_names_deinit(struct list_names *names)
{
    free_block(names);
    list_names_clear(names);
}

/* The first of the numbers at the block's end. */
static uint32_t *starts_of(const struct list_names *names)
{
    return (uint32_t *)(void *)(names->block + names->size) - names->n;
}

const char *list_names_at(const struct list_names *names, size_t i)
{
    return names->block + starts_of(names)[i];
}

static int compare_names(const void *a, const void *b, void *arg)
{
    const char *block = arg;

    return strcmp(block + *(const uint32_t *)a, block + *(const uint32_t *)b);
}

void list_names_sort(struct list_names *names)
{
    if (names->n > 1)
        qsort_r(starts_of(names), names->n, sizeof(uint32_t), compare_names, names->block);
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Moves the names together at the block's front. */
static void close_gaps(struct list_names *names)
{
    uint32_t *starts = starts_of(names);

    qsort(starts, names->n, sizeof(*starts), compare_numbers);
    names->used = 0;
    for (size_t i = 0; i < names->n; i++) {
        size_t n = strlen(names->block + starts[i]) + 1;

        memmove(names->block + names->used, names->block + starts[i], n);
        starts[i] = (uint32_t)names->used;
        names->used += n;
    }
}

/* Gives up the greater half. */
static void halve(struct list_names *names)
{
    uint32_t *starts;

    list_names_sort(names);
    starts = starts_of(names);
    names->n /= 2;
    strcpy(names->ceiling, names->block + starts[names->n - 1]);
    names->is_partial = true;
    memmove(starts_of(names), starts, names->n * sizeof(*starts));
    close_gaps(names);
}

/* From a block of malloc's to a greater one, and then, since few directories need that, to all that
 * is allowed. */
static int grow(struct list_names *names, size_t size)
{
    struct list_names old = *names;

    if (size > LIST_NAMES_LEAST) {
        names->block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        names->is_mapped = names->block != MAP_FAILED;
    } else {
        names->block = malloc(size);
    }
    if (names->block == NULL || names->block == MAP_FAILED) {
        *names = old;
        return -ENOMEM;
    }
    names->size = size;
    if (old.n > 0) {
        memcpy(names->block, old.block, old.used);
        memcpy(starts_of(names), starts_of(&old), old.n * sizeof(uint32_t));
    }
    free_block(&old);
    return 0;
}

static bool has_room(const struct list_names *names)
{
    return names->used + LIST_NAME_MAX + 1 + (names->n + 1) * sizeof(uint32_t) <= names->size;
}

static int make_room(struct list_names *names, size_t limit)
{
    size_t next = limit / FIRST_SIZE * FIRST_SIZE;

    if (names->size < LIST_NAMES_LEAST)
        next = names->size == 0 ? FIRST_SIZE : LIST_NAMES_LEAST;
    if (next > names->size)
        return grow(names, next);
    halve(names);
    return 0;
}

bool list_names_refuse(const struct list_names *names, const char *name)
{
    return names->is_partial && strcmp(name, names->ceiling) > 0;
}

int list_names_add(struct list_names *names, const char *name, size_t len, size_t limit)
{
    assert(len <= LIST_NAME_MAX && limit >= LIST_NAMES_LEAST);
    if (list_names_refuse(names, name))
        return 0;
    if (!has_room(names)) {
        int rc = make_room(names, limit);

        if (rc < 0 || list_names_refuse(names, name))
            return rc;
    }
    memcpy(names->block + names->used, name, len + 1);
    names->n++;
    starts_of(names)[0] = (uint32_t)names->used;
    names->used += len + 1;
    return 0;
}
