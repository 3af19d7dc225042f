/* Happy path: the bytes of the source, as it was found, are copied by objects/compose.h, which sees
 * whether they are right where it reads them.
 *
 * Failures: the source is replaced or removed, and its blob goes before it is copied; it can't be
 * read, or the copy can't be stored; the copy's key has got another value than the request's
 * preconditions want. */
#include "index/s3/copy_operation.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "index/objects/compose.h"
#include "index/s3/slow_answer.h"
#include "index/s3/stored_part.h"
#include "index/s3/write_conditions.h"

struct copy_op {
    struct slow_answer answer;
    struct copy source;
    struct range range;
    const char *result;
    bool is_part;
    struct stored_part part;
    struct key key;
    struct record record; /* that it has got */
    struct write_conditions conditions;
    int refused; /* by the conditions: the error */
    struct store_reading reading;
    struct compose_source *asked_for; /* the source, while it is looked up, */
    struct compose_asked *asked;      /* and who asks for it */
};

static_assert(offsetof(struct copy_op, answer) == 0, "slow_answer.h wants it so");

static void free_cb(struct slow_answer *answer)
{
    struct copy_op *op = (struct copy_op *)answer;

    write_conditions_deinit(&op->conditions);
    free(op);
}

/* The copy goes on, and is waited for. */
static void closed_cb(struct slow_answer *answer)
{
    (void)answer;
}

static int condition_cb(void *arg, const struct record *record)
{
    struct copy_op *op = arg;

    op->refused = write_conditions_check_kept(&op->conditions, record);
    return op->refused;
}

/* --- The answer ------------------------------------------------------------------------------ */

static void write_result(struct copy_op *op)
{
    struct xml_out *xml = slow_answer_xml(&op->answer);
    const struct record *record = &op->record;
    struct meta_line line;
    enum checksum_kind kind = meta_checksum(record->meta, record->meta_len, &line);
    char etag[META_ETAG_SIZE];

    xml_out_root(xml, op->result);
    xml_out_time(xml, "LastModified", record->time / 1000 * 1000);
    meta_etag(record->meta, record->meta_len, record, etag);
    xml_out_string(xml, "ETag", etag);
    if (kind != CHECKSUM_NONE)
        xml_out_text(xml, checksum_element(kind), line.value, line.value_len);
    xml_out_close(xml, op->result);
}

static void end(struct copy_op *op, enum s3_error error)
{
    if (error != S3_OK) {
        slow_answer_fail(&op->answer, error, NULL);
        return;
    }
    write_result(op);
    slow_answer_send(&op->answer);
}

/* Nobody could read the source, or take the copy. The source may be gone by now; what replaced it
 * can be copied, by another request. */
static void fail_unmade(struct copy_op *op, int rc, const struct record *record)
{
    bool is_gone = rc == UV_ENOENT || (rc == 0 && (record->flags & RECORD_UNLINKED));

    end(op, is_gone ? S3_NO_SUCH_KEY : S3_SERVICE_UNAVAILABLE);
}

static void unmade_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct copy_op *op = reading->data;
    struct objects *o = op->answer.call.s3->objects;

    fail_unmade(op, rc, record);
    objects_end(o);
}

/* False: the answer comes later. */
static bool fail(struct copy_op *op, int rc)
{
    struct objects *o = op->answer.call.s3->objects;
    struct record record;

    if (op->refused < 0 || rc == STORE_CONFLICT) {
        end(op, write_conditions_error_of(rc));
        return true;
    }
    if (rc != UV_EREMOTEIO) {
        end(op, call_error_of(rc));
        return true;
    }
    rc = objects_look_up(o, &op->reading, &op->source.key, &record, unmade_cb);
    if (rc == STORE_LATER) {
        objects_begin(o);
        return false;
    }
    fail_unmade(op, rc, &record);
    return true;
}

static void checked_cb(struct stored_part *part, enum s3_error error)
{
    end(part->data, error);
}

static void done_cb(void *arg, int rc, const char *text, const struct record *record)
{
    struct copy_op *op = arg;
    int error = S3_OK;

    (void)text;
    if (rc < 0) {
        fail(op, rc);
        return;
    }
    record_copy(&op->record, record);
    if (op->is_part)
        error = stored_part_check(&op->part, op->answer.call.s3->objects, &op->key, checked_cb);
    if (error != STORE_LATER)
        end(op, (enum s3_error)error);
}

/* --- The copy -------------------------------------------------------------------------------- */

/* The key may have been moved since it was found, and then it has other places. One that has got
 * another value is copied as it was found: that blob stays for the grace. */
static int give_source(struct copy_op *op, int rc, const struct record *record,
                       struct compose_source *source)
{
    struct record *found = &op->source.record;

    if (rc < 0 && rc != UV_ENOENT)
        return rc;
    if (rc == 0 && record->generation == found->generation)
        record_copy(found, record);
    source->key = op->source.key;
    record_copy(&source->record, found);
    source->offset = op->range.first;
    source->length = op->range.length;
    return 0;
}

static void looked_up_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct copy_op *op = reading->data;

    compose_answer(op->asked, give_source(op, rc, record, op->asked_for));
}

static int source_cb(void *arg, size_t i, struct compose_source *source,
                     struct compose_asked *asked)
{
    struct copy_op *op = arg;
    struct record record;
    int rc = objects_look_up(op->answer.call.s3->objects, &op->reading, &op->source.key, &record,
                             looked_up_cb);

    (void)i;
    op->asked_for = source;
    op->asked = asked;
    return rc == STORE_LATER ? rc : give_source(op, rc, &record, source);
}

static int start(struct copy_op *op, const struct copy_options *options)
{
    const struct record *record = &op->source.record;
    bool is_whole = options->range.length == record->size;
    bool is_conditional = write_conditions_exist_kept(&op->conditions);
    char text[UPLOAD_TEXT_MAX];

    return compose_start(op->answer.call.s3->objects, options->key,
                         &(struct compose_options){
                             .n_sources = 1,
                             .next = source_cb,
                             .size = options->range.length,
                             .md5 = is_whole && (record->flags & RECORD_MD5) ? record->md5 : NULL,
                             .wants_md5 = true,
                             .replaces = true,
                             .condition = is_conditional ? condition_cb : NULL,
                             .meta = options->meta->bytes,
                             .meta_len = options->meta->len,
                             .done = done_cb,
                             .arg = op,
                         },
                         text);
}

void copy_run(const struct call *call, const struct copy_options *options)
{
    struct copy_op *op = calloc(1, sizeof(*op));
    int rc = 0;

    if (op == NULL ||
        (options->is_conditional && write_conditions_keep(call, &op->conditions) < 0)) {
        free(op);
        call_fail(call, S3_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    op->source = *options->source;
    op->range = options->range;
    op->result = options->result;
    op->is_part = options->is_part;
    op->part.data = op->reading.data = op;
    op->key = *options->key;
    slow_answer_init(&op->answer, call, closed_cb, free_cb);
    rc = start(op, options);
    if (rc < 0 && fail(op, rc))
        return;
    slow_answer_wait(&op->answer);
    http_request_hold(call->request, slow_answer_closed_cb);
}
