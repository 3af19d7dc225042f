#include "index/cluster/recipe.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER     21 /* bytes of a number, and what is before or after it */
#define WORDS      16
#define FIRST_LINE (PLACEMENT_FULL_PATH_MAX + 2 * NUMBER + WORDS)
#define NEXT_LINE  (PLACEMENT_FULL_PATH_MAX + 3 * NUMBER)

static_assert(NEXT_LINE < FIRST_LINE + NUMBER, "what is reserved is small");

/* --- Texts ----------------------------------------------------------------------------------- */

/* One for one volume, with the sources of `other`; NULL: none. */
static struct recipe_text *text_new(const struct recipe_text *other)
{
    struct recipe_text *text = calloc(1, sizeof(*text));
    size_t sources = other != NULL ? other->body.tail - FIRST_LINE : 0;

    if (text == NULL)
        return NULL;
    if (buf_reserve(&text->body, FIRST_LINE + sources) < 0) {
        free(text);
        return NULL;
    }
    if (other != NULL)
        memcpy(text->body.data + FIRST_LINE, other->body.data + FIRST_LINE, sources);
    text->body.tail = FIRST_LINE + sources;
    text->n = other != NULL ? other->n : 0;
    text->users = 1;
    return text;
}

static void text_release(struct recipe_text *text)
{
    if (--text->users > 0)
        return;
    buf_deinit(&text->body);
    free(text);
}

/* Gives a volume a text of its own. False when memory is short. */
static bool own_text(struct recipe_volume *v)
{
    struct recipe_text *text = v->text->users > 1 ? text_new(v->text) : v->text;

    if (text == NULL || text == v->text)
        return text != NULL;
    text_release(v->text);
    v->text = text;
    return true;
}

size_t recipe_bytes(const struct recipe *r)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < r->n; i++) /* of one that is shared, a part for each volume */
        bytes += buf_size(&r->volumes[i].text->body) / r->volumes[i].text->users;
    return bytes;
}

/* --- Sources --------------------------------------------------------------------------------- */

static void drop_volume(struct recipe *r, unsigned i)
{
    text_release(r->volumes[i].text);
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
    struct recipe_text *shared = NULL;

    assert(source->n_copies <= PLACES_MAX);
    for (unsigned i = 0; i < source->n_copies; i++) {
        const struct recipe_copy *copy = &source->copies[i];
        struct recipe_text *text = copy->place.has_subvolume ? NULL : shared;

        if (recipe_is_for(r, copy->volume))
            continue;
        if (text != NULL)
            text->users++;
        else
            text = text_new(NULL);
        if (text == NULL)
            continue;
        if (!copy->place.has_subvolume)
            shared = text;
        r->volumes[r->n++] = (struct recipe_volume){.volume = copy->volume, .text = text};
    }
}

/* False when it can't be told of the source. */
static bool add_line(struct recipe_text *text, const struct recipe_source *source,
                     const struct place *place)
{
    char path[PLACEMENT_FULL_PATH_MAX];
    int rc;

    placement_full_path(place, source->path, path);
    if (source->length == source->size)
        rc = buf_append_format(&text->body, "%s\t%" PRIu64 "\n", path, source->size);
    else
        rc = buf_append_format(&text->body, "%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", path,
                               source->size, source->offset, source->length);
    if (rc < 0)
        return false;
    text->n++;
    return buf_size(&text->body) < RECIPE_BYTES_MAX;
}

/* Whether the volume has the source, and a text in which its line can stand. */
static bool can_have(struct recipe_volume *v, const struct recipe_source *source)
{
    const struct recipe_copy *copy = find_copy(source, v->volume);

    return copy != NULL && (!copy->place.has_subvolume || own_text(v));
}

static void add_lines(struct recipe *r, const struct recipe_source *source)
{
    unsigned i = 0;

    while (i < r->n) {
        struct recipe_text *text = r->volumes[i].text;
        const struct recipe_copy *copy = find_copy(source, r->volumes[i].volume);

        if (text->n == r->n_sources ? buf_size(&text->body) < RECIPE_BYTES_MAX
                                    : add_line(text, source, &copy->place))
            i++;
        else
            drop_volume(r, i);
    }
}

void recipe_add(struct recipe *r, const struct recipe_source *source)
{
    unsigned i = 0;

    if (r->n_sources++ == 0)
        add_volumes(r, source);
    r->size += source->length;
    while (i < r->n) {
        if (r->n_sources <= RECIPE_SOURCES_MAX && can_have(&r->volumes[i], source))
            i++;
        else
            drop_volume(r, i);
    }
    add_lines(r, source);
}

/* --- The request ----------------------------------------------------------------------------- */

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

/* The first line is written last, into the end of the room that was left for it. In a text that is
 * shared it is the same for all. */
const char *recipe_body(struct recipe *r, const struct volume *volume,
                        const struct recipe_target *target)
{
    struct recipe_volume *v = find_volume(r, volume);
    char path[PLACEMENT_FULL_PATH_MAX];
    char line[FIRST_LINE + 1];
    struct buf *body;
    int n;

    if (v == NULL || (target->place->has_subvolume && !own_text(v)))
        return NULL;
    body = &v->text->body;
    if (buf_append(body, "", 1) < 0)
        return NULL;
    body->tail--;
    placement_full_path(target->place, target->path, path);
    n = snprintf(line, sizeof(line), "%s\t%" PRIu64 "\t%" PRIu64 "\t%s\n", path, r->size,
                 target->time, words_of(r, target));
    assert(n > 0 && n <= FIRST_LINE);
    return memcpy(body->data + FIRST_LINE - n, line, (size_t)n);
}

void recipe_deinit(struct recipe *r)
{
    while (r->n > 0)
        drop_volume(r, r->n - 1);
    *r = (struct recipe){.wants_md5 = r->wants_md5, .may_link = r->may_link};
}
