#include "launcher/commands/watch.h"

#include <stdio.h>
#include <uv.h>

#define DRAW_MS 150 /* between two times that the progress is drawn */

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

void watch_begin(struct watch *watch, bool only_drawn)
{
    watch->started = now_ms();
    job_view_init(&watch->view, false);
    watch->view.is_quiet = only_drawn && !watch->view.is_terminal;
    log_set_lead(job_view_clearing(&watch->view));
}

uint64_t watch_elapsed_ms(const struct watch *watch)
{
    return now_ms() - watch->started;
}

void watch_show(struct watch *watch, struct job_line *line)
{
    const struct job_view *view = &watch->view;

    line->elapsed_ms = watch_elapsed_ms(watch);
    line->is_running = true;
    if (view->has_line && line->elapsed_ms - view->line.elapsed_ms < DRAW_MS)
        return;
    job_view_add(&watch->view, line);
    job_view_settle(&watch->view);
}

void watch_end(struct watch *watch)
{
    job_view_clear(&watch->view);
    fflush(stderr);
}
