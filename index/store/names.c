#include "index/store/names.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct name {
    uint32_t id;
    char text[];
};

/* Whoever names volumes is trusted not to make names collide. */
static uint32_t hash(const void *text, size_t len)
{
    return slots_hash(0, text, len);
}

void names_deinit(struct names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
    slots_deinit(&names->by_text);
    *names = (struct names){0};
}

static struct name *new_name(uint32_t id, const void *text, size_t len)
{
    struct name *name = malloc(sizeof(*name) + len + 1);

    if (name == NULL)
        return NULL;
    name->id = id;
    memcpy(name->text, text, len);
    name->text[len] = '\0';
    return name;
}

int names_add(struct names *names, const void *text, size_t len)
{
    struct name **list = realloc(names->list, (names->count + 1) * sizeof(struct name *));
    struct name *name;

    if (list == NULL)
        return UV_ENOMEM;
    names->list = list;
    if (slots_reserve(&names->by_text, 1) < 0)
        return UV_ENOMEM;
    name = new_name(names->count, text, len);
    if (name == NULL)
        return UV_ENOMEM;
    list[names->count++] = name;
    slots_add(&names->by_text, name, hash(text, len));
    return 0;
}

bool names_find(const struct names *names, const char *text, uint32_t *id)
{
    uint32_t h = hash(text, strlen(text));
    size_t at;
    const struct name *name = slots_find(&names->by_text, h, &at);

    while (name != NULL && strcmp(name->text, text) != 0)
        name = slots_find_next(&names->by_text, h, &at);
    if (name != NULL)
        *id = name->id;
    return name != NULL;
}

int names_id(struct names *names, const char *text, uint32_t *id)
{
    size_t len = strlen(text);
    int rc;

    if (names_find(names, text, id))
        return 0;
    if (len < 1 || len > NAMES_TEXT_MAX)
        return UV_ENAMETOOLONG;
    rc = names_add(names, text, len);
    if (rc == 0)
        *id = names->count - 1;
    return rc;
}

const char *names_text(const struct names *names, uint32_t id)
{
    return id < names->count ? names->list[id]->text : NULL;
}
