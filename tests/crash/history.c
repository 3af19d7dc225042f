#include "tests/crash/history.h"

#include <stdlib.h>

#include "tests/support/disk_log.h"
#include "tests/support/storebox.h"

#define EVENTS 1024

struct history_event {
    size_t at;
    struct note note;
};

static void make_room(struct history *history, size_t room)
{
    history->room = room;
    history->events = realloc(history->events, room * sizeof(*history->events));
    STOREBOX_CHECK(history->events != NULL, "no memory");
}

void history_begin(struct history *history, const struct ledger *ledger)
{
    if (ledger != &history->base)
        history->base = *ledger;
    history->n = 0;
    if (history->room == 0)
        make_room(history, EVENTS);
}

void history_add(struct history *history, const struct note *note)
{
    if (history->n == history->room)
        make_room(history, 2 * history->room);
    history->events[history->n++] = (struct history_event){.at = disk_log_length(), .note = *note};
}

void history_find(const struct history *history, size_t at, struct ledger *ledger)
{
    *ledger = history->base;
    for (size_t i = 0; i < history->n && history->events[i].at <= at; i++)
        ledger_note(ledger, &history->events[i].note);
}

void history_cut(struct history *history, size_t at)
{
    while (history->n > 0 && history->events[history->n - 1].at > at)
        history->n--;
}

void history_deinit(struct history *history)
{
    free(history->events);
}
