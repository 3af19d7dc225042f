#include "index/cluster/recipe.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NUMBER     21 /* bytes of a number, and what is before or after it */
#define WORDS      16
#define FIRST_LINE (PLACEMENT_FULL_PATH_MAX + 2 * NUMBER + WORDS)
#define NEXT_LINE  (PLACEMENT_FULL_PATH_MAX + 3 * NUMBER)

static_assert(NEXT_LINE < FIRST_LINE + NUMBER, "what is reserved is small");

static void drop_volume(struct recipe *r, unsigned i)
{
    buf_deinit(&r->volumes[i].body);
    r->volumes[i] = r->volumes[--r->n];
}

static const struct recipe_copy *find_copy(const struct recipe_source *source,
                                           const struct volume *volume)
{
    for (unsigned i = 0; i < source->n_copies; i++) {
        if (source->copies[i].volume == volume)
            return &source->copies[i];
    }
    return NULL;
}

/* Those that have the first source are the ones that can have all. */
static void add_volumes(struct recipe *r, const struct recipe_source *source)
{
    assert(source->n_copies <= PLACES_MAX);
    for (unsigned i = 0; i < source->n_copies; i++) {
        struct recipe_volume *v = &r->volumes[r->n];

        if (recipe_is_for(r, source->copies[i].volume))
            continue;
        *v = (struct recipe_volume){.volume = source->copies[i].volume};
        if (buf_reserve(&v->body, FIRST_LINE) < 0)
            continue;
        v->body.tail = FIRST_LINE;
        r->n++;
    }
}

/* False when it can't be told of the source. */
static bool add_line(struct recipe_volume *v, const struct recipe_source *source,
                     const struct place *place)
{
    char path[PLACEMENT_FULL_PATH_MAX];
    int rc;

    placement_full_path(place, source->path, path);
    if (source->length == source->size)
        rc = buf_append_format(&v->body, "%s\t%" PRIu64 "\n", path, source->size);
    else
        rc = buf_append_format(&v->body, "%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", path,
                               source->size, source->offset, source->length);
    return rc == 0 && buf_size(&v->body) < RECIPE_BYTES_MAX;
}

void recipe_add(struct recipe *r, const struct recipe_source *source)
{
    unsigned i = 0;

    if (r->n_sources++ == 0)
        add_volumes(r, source);
    r->size += source->length;
    while (i < r->n) {
        struct recipe_volume *v = &r->volumes[i];
        const struct recipe_copy *copy = find_copy(source, v->volume);

        if (copy == NULL || r->n_sources > RECIPE_SOURCES_MAX || !add_line(v, source, &copy->place))
            drop_volume(r, i);
        else
            i++;
    }
}

static struct recipe_volume *find_volume(const struct recipe *r, const struct volume *volume)
{
    for (unsigned i = 0; i < r->n; i++) {
        if (r->volumes[i].volume == volume)
            return (struct recipe_volume *)&r->volumes[i];
    }
    return NULL;
}

bool recipe_is_for(const struct recipe *r, const struct volume *volume)
{
    return find_volume(r, volume) != NULL;
}

static const char *words_of(const struct recipe *r, const struct recipe_target *target)
{
    if (r->wants_md5)
        return target->sync ? "md5,sync" : "md5";
    if (r->may_link)
        return target->sync ? "link,sync" : "link";
    return target->sync ? "sync" : "-";
}

/* The first line is written last, into the end of the room that was left for it. */
const char *recipe_body(struct recipe *r, const struct volume *volume,
                        const struct recipe_target *target)
{
    struct recipe_volume *v = find_volume(r, volume);
    char path[PLACEMENT_FULL_PATH_MAX];
    char line[FIRST_LINE + 1];
    int n;

    if (v == NULL || buf_append(&v->body, "", 1) < 0)
        return NULL;
    v->body.tail--;
    placement_full_path(target->place, target->path, path);
    n = snprintf(line, sizeof(line), "%s\t%" PRIu64 "\t%" PRIu64 "\t%s\n", path, r->size,
                 target->time, words_of(r, target));
    assert(n > 0 && n <= FIRST_LINE);
    return memcpy(v->body.data + FIRST_LINE - n, line, (size_t)n);
}

void recipe_deinit(struct recipe *r)
{
    while (r->n > 0)
        drop_volume(r, r->n - 1);
    *r = (struct recipe){.wants_md5 = r->wants_md5, .may_link = r->may_link};
}
