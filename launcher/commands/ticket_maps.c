#include "launcher/commands/ticket_maps.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "index/access/ticket.h"

/* All of it is one line, so that line numbers in nginx's messages agree with the template's. */

static const char open_to_all[] =
    "map \"\" $mkv_link { default \"\"; } map \"\" $mkv_head { default \"\"; } "
    "map \"\" $mkv_tail { default \"\"; } map \"\" $mkv_denied { default \"\"; }";

/* What isn't signed by a secret that is known here gives nothing to be judged, and is refused. */
static const char judges[] =
    "map $mkv_ticket $mkv_link { default \"\"; "
    "\"~^(%s%s%s)\\.(?<mkv_signed>[A-Za-z0-9_-]{22},[0-9]{1,12})$\" $mkv_signed; } "
    "map $mkv_ticket $mkv_head { default \"\"; %s%s} "
    "map $mkv_ticket $mkv_tail { default \"\"; %s%s} "
    "map \"$secure_link $uri\" $mkv_denied { "
    "default \"a ticket is needed that is good for this, here\\n\"; "
    "\"~^1 \" \"\"; \"~^0? /_mkv/health\\z\" \"\"; \"~^0\" \"the ticket has expired\\n\"; }";

#define LINE_SIZE (TICKET_PART + 64)

static void render_line(const char *id, const char *part, char line[LINE_SIZE])
{
    snprintf(line, LINE_SIZE, "\"~^%s\" \"%s\"; ", id, part);
}

void ticket_maps_render(const struct secrets *secrets, const char *identity,
                        char text[TICKET_MAPS_SIZE])
{
    char heads[SECRETS_MAX][LINE_SIZE] = {{0}};
    char tails[SECRETS_MAX][LINE_SIZE] = {{0}};
    const char *ids[SECRETS_MAX] = {"", ""};
    struct ticket_key key;
    int n;

    if (secrets->n == 0) {
        snprintf(text, TICKET_MAPS_SIZE, "%s", open_to_all);
        return;
    }
    for (size_t i = 0; i < secrets->n; i++) {
        ticket_key_derive(&secrets->items[i], identity, &key);
        ids[i] = secrets->items[i].id;
        render_line(ids[i], key.head, heads[i]);
        render_line(ids[i], key.tail, tails[i]);
    }
    ticket_key_deinit(&key);
    n = snprintf(text, TICKET_MAPS_SIZE, judges, ids[0], secrets->n > 1 ? "|" : "", ids[1],
                 heads[0], heads[1], tails[0], tails[1]);
    assert(n > 0 && n < TICKET_MAPS_SIZE);
}

/* A key is the only word of so many digits. */
void ticket_maps_hide(char text[TICKET_MAPS_SIZE])
{
    static const char word[] = "hidden";

    for (char *at = text; *at != '\0';) {
        size_t n = strspn(at, "0123456789abcdef");

        if (n == TICKET_PART) {
            memcpy(at, word, sizeof(word) - 1);
            memmove(at + sizeof(word) - 1, at + n, strlen(at + n) + 1);
            n = sizeof(word) - 1;
        }
        at += n > 0 ? n : 1;
    }
}
