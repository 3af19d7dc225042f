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
#include "index/s3/write_conditions.h"

struct copy_op {
    struct slow_answer answer;
    struct copy source;
    struct range range;
    const char *result;
    copy_stored_cb stored;
    struct key key;
    struct write_conditions conditions;
    int refused; /* by the conditions: the error */
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

static void write_result(struct copy_op *op, const struct record *record)
{
    struct xml_out *xml = slow_answer_xml(&op->answer);
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

/* Nobody could read the source, or take the copy. The source may be gone by now; what replaced it
 * can be copied, by another request. */
static enum s3_error error_of_unmade(const struct copy_op *op)
{
    struct record record;
    int rc = objects_look_up(op->answer.call.s3->objects, &op->source.key, &record);

    return rc == UV_ENOENT || (rc == 0 && (record.flags & RECORD_UNLINKED))
               ? S3_NO_SUCH_KEY
               : S3_SERVICE_UNAVAILABLE;
}

static enum s3_error error_of(const struct copy_op *op, int rc)
{
    if (op->refused < 0 || rc == STORE_CONFLICT)
        return write_conditions_error_of(rc);
    return rc == UV_EREMOTEIO ? error_of_unmade(op) : call_error_of(rc);
}

static void done_cb(void *arg, int rc, const char *text, const struct record *record)
{
    struct copy_op *op = arg;
    enum s3_error error = rc < 0 ? error_of(op, rc) : S3_OK;

    (void)text;
    if (error == S3_OK && op->stored != NULL)
        error = op->stored(&op->answer.call, &op->key, record);
    if (error != S3_OK) {
        slow_answer_fail(&op->answer, error, NULL);
        return;
    }
    write_result(op, record);
    slow_answer_send(&op->answer);
}

/* --- The copy -------------------------------------------------------------------------------- */

/* The key may have been moved since it was found, and then it has other places. One that has got
 * another value is copied as it was found: that blob stays for the grace. */
static int source_cb(void *arg, size_t i, struct compose_source *source)
{
    struct copy_op *op = arg;
    struct record *found = &op->source.record;
    struct record record;
    int rc = objects_look_up(op->answer.call.s3->objects, &op->source.key, &record);

    (void)i;
    if (rc < 0 && rc != UV_ENOENT)
        return rc;
    if (rc == 0 && record.generation == found->generation)
        record_copy(found, &record);
    source->key = op->source.key;
    record_copy(&source->record, found);
    source->offset = op->range.first;
    source->length = op->range.length;
    return 0;
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
    op->stored = options->stored;
    op->key = *options->key;
    slow_answer_init(&op->answer, call, closed_cb, free_cb);
    rc = start(op, options);
    if (rc < 0) {
        slow_answer_fail(&op->answer, error_of(op, rc), NULL);
        return;
    }
    slow_answer_wait(&op->answer);
    http_request_hold(call->request, slow_answer_closed_cb);
}
