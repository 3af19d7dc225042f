/* What an index tells of itself, as values of jansson. Each is the caller's, or NULL for want of
 * memory; json_pack() lets go of all that it was given when any of it is NULL. */
#ifndef MKV_ADMIN_JSON_VALUES_H
#define MKV_ADMIN_JSON_VALUES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "index/base/buf.h"
#include "index/maintenance/job.h"

/* Text of ours or from a volume, which takes care that it can be printed; else as keys are. */
json_t *json_of_text(const char *text);

json_t *json_of_number(uint64_t value);

/* null for `none`. */
json_t *json_unless(uint64_t value, uint64_t none);

/* As admin_jobs.h describes it. */
json_t *json_of_job(const struct job *job);

/* All of them, an array. */
json_t *json_of_jobs(const struct jobs *jobs);

/* Appends the value, which it lets go of, and a line's end. 0, or -ENOMEM, also for NULL. */
int json_append_line(struct buf *out, json_t *value);

/* --- And read again: of an object, or NULL, what is at `name` --------------------------------- */

/* -1 when there is no number. */
int64_t json_number_in(const json_t *object, const char *name);

/* As json_of_text() has it; "" when there is none. Lives as long as the object. */
const char *json_text_in(const json_t *object, const char *name);

/* Whether it is `true`. */
bool json_is_true_in(const json_t *object, const char *name);

#endif
