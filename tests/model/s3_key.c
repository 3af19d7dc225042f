#include "tests/model/s3_key.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "index/base/md5.h"

#define PATIENCE     25.0 /* seconds that a key may be unreadable, or an upload be incomplete */
#define UPLOAD_ID    32   /* characters */
#define PART_RETRIES 3

struct s3_tally s3_tally;

enum condition { ALWAYS, CREATES, MATCHES };

/* A change of a key by a client. */
struct change {
    const char *name;
    struct s3_client *s3;
    struct shared_key *key;
    const struct s3_seen *seen; /* what MATCHES is about */
    enum condition condition;
    struct history_op op;
};

void s3_key_init(struct shared_key *keys, unsigned number)
{
    struct shared_key *s = &keys[number];

    shared_init(s, number);
    snprintf(s->key.path, sizeof(s->key.path), S3_BUCKET "/%u", number);
}

/* --- Versions -------------------------------------------------------------------------------- */

/* Those of uploads are odd. */
static unsigned new_version(struct shared_key *key, bool is_upload)
{
    return (key->last += 2) - is_upload;
}

static void write_hex(const unsigned char *bytes, char *hex)
{
    for (int i = 0; i < MD5_SIZE; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", bytes[i]);
}

/* The ETag of a version, of these bytes. */
static void make_etag(unsigned version, const char *bytes, size_t n, char etag[S3_ETAG_SIZE])
{
    unsigned char hash[MD5_SIZE];
    char hex[2 * MD5_SIZE + 1];

    md5_of(bytes, n, hash);
    if (version % 2 == 1)
        md5_of(hash, sizeof(hash), hash);
    write_hex(hash, hex);
    snprintf(etag, S3_ETAG_SIZE, "\"%s%s\"", hex, version % 2 == 1 ? "-1" : "");
}

unsigned s3_key_version(struct s3_client *s3, const struct shared_key *key, const char *etag,
                        size_t size)
{
    char *value = s3->client.value;
    char made[S3_ETAG_SIZE];

    for (unsigned version = key->last; version > 0; version--) {
        if (shared_size(key, version) != size)
            continue;
        make_etag(version, value, shared_value(key, version, value), made);
        if (strcmp(made, etag) == 0)
            return version;
    }
    return 0;
}

static bool has_header(const struct wire_answer *a, const char *name, const char *value)
{
    const char *got = wire_header(a, name);

    return got != NULL && strncmp(got, value, strlen(value)) == 0 && got[strlen(value)] == '\r';
}

/* --- Requests -------------------------------------------------------------------------------- */

int s3_ask(struct s3_client *s3, const char *path, const char *method, const char *query,
           const char *value, size_t n)
{
    char target[1024];

    snprintf(target, sizeof(target), "%s%s", path, query);
    s3->client.wire.headers = s3->headers;
    client_send(&s3->client, method, target, value, n, false);
    return s3->client.wire.answer.status;
}

static int ask(struct s3_client *s3, const struct shared_key *key, const char *method,
               const char *query, const char *value, size_t n)
{
    return s3_ask(s3, key->key.path, method, query, value, n);
}

bool s3_has_failed(int status)
{
    return status == 0 || status >= 500;
}

static void __attribute__((format(printf, 2, 3)))
add_header(struct s3_client *s3, const char *format, ...)
{
    size_t n = strlen(s3->headers);
    va_list args;

    va_start(args, format);
    vsnprintf(s3->headers + n, sizeof(s3->headers) - n, format, args);
    va_end(args);
}

/* Has a request of a change no headers but that of its condition. */
static void write_condition(const struct change *c)
{
    c->s3->headers[0] = '\0';
    if (c->condition == CREATES)
        add_header(c->s3, "If-None-Match: *\r\n");
    else if (c->condition == MATCHES)
        add_header(c->s3, "If-Match: %s\r\n", c->seen->etag);
}

static void add_version(const struct change *c)
{
    add_header(c->s3, "x-amz-meta-version: %u\r\n", c->op.version);
}

/* --- What answers mean ----------------------------------------------------------------------- */

/* What the key must be when the condition holds. */
static void require(struct change *c)
{
    c->op.needs = HISTORY_ANY;
    if (c->condition == CREATES)
        c->op.needs = HISTORY_ABSENT;
    else if (c->condition == MATCHES && c->op.effect != HISTORY_DELETES)
        c->op.needs = HISTORY_PRESENT;
    if (c->condition == MATCHES)
        c->op.matches = c->seen->version;
}

/* The condition did not hold: all that has happened is that the key was what it forbids. */
static void condition_failed(struct change *c, unsigned needs)
{
    s3_tally.failed++;
    c->op.effect = HISTORY_READS;
    c->op.version = 0;
    c->op.needs = needs;
    c->op.differs = c->op.matches;
    c->op.matches = 0;
    history_add(&c->key->history, &c->op);
}

/* It was done. */
static void keep(struct change *c)
{
    require(c);
    history_add(&c->key->history, &c->op);
}

/* Keeps a change that has its start, its end and its effect, as its answer says that it was. */
static void judge(struct change *c, int yes)
{
    struct client *client = &c->s3->client;
    static const char *const conditions[] = {"always", "if absent", "if the same"};
    const struct wire_answer *a = &client->wire.answer;
    char text[128];

    require(c);
    if (a->status == yes && strstr(a->body, "<Error>") == NULL) {
        history_add(&c->key->history, &c->op);
    } else if (a->status == 412 && c->condition != ALWAYS) {
        condition_failed(c, HISTORY_PRESENT);
    } else if (a->status == 404 && c->condition == MATCHES &&
               strstr(a->body, "NoSuchKey") != NULL) {
        condition_failed(c, HISTORY_ABSENT);
    } else if (a->status == 409) {
        s3_tally.conflicts++;
    } else if (s3_has_failed(a->status) || a->status == yes) {
        tally.lost++;
        c->op.maybe = true;
        history_add(&c->key->history, &c->op);
    } else {
        snprintf(text, sizeof(text), "an answer that can't be to a %s, %s", c->name,
                 conditions[c->condition]);
        client_complain(client, &c->key->key, text);
    }
}

/* --- Operations ------------------------------------------------------------------------------ */

static void put(struct change *c)
{
    struct client *client = &c->s3->client;
    size_t n;

    c->name = "PUT";
    c->op.effect = HISTORY_PUTS;
    c->op.version = new_version(c->key, false);
    n = shared_value(c->key, c->op.version, client->value);
    tally.puts++;
    write_condition(c);
    add_version(c);
    c->op.start = client_now();
    ask(c->s3, c->key, "PUT", "", client->value, n);
    c->op.end = client_now();
    judge(c, 200);
}

/* PUTs a version at a key that nobody else has. False when that fails. */
static bool put_source(struct change *c, const char *path, char etag[S3_ETAG_SIZE])
{
    struct client *client = &c->s3->client;
    size_t n = shared_value(c->key, c->op.version, client->value);
    int status;

    make_etag(c->op.version, client->value, n, etag);
    c->s3->headers[0] = '\0';
    add_version(c);
    status = s3_ask(c->s3, path, "PUT", "", client->value, n);
    if (status != 200 && !s3_has_failed(status))
        client_complain(client, &c->key->key, "the source of a copy is refused");
    return status == 200;
}

/* PUTs a version elsewhere, and copies it to the key. */
static void put_by_copy(struct change *c)
{
    char etag[S3_ETAG_SIZE];
    char path[64];

    c->name = "copy";
    c->op.effect = HISTORY_PUTS;
    c->op.version = new_version(c->key, false);
    s3_tally.copies++;
    snprintf(path, sizeof(path), S3_SOURCES "/%u", c->s3->number);
    if (!put_source(c, path, etag)) {
        tally.aborted++;
        return;
    }
    write_condition(c);
    add_header(c->s3, "x-amz-copy-source: %s\r\n", path);
    if (c->condition == ALWAYS) /* else it isn't clear which of the two fails */
        add_header(c->s3, "x-amz-copy-source-if-match: %s\r\n", etag);
    c->op.start = client_now();
    ask(c->s3, c->key, "PUT", "", "", 0);
    c->op.end = client_now();
    judge(c, 200);
}

static void delete (struct change *c)
{
    c->name = "DELETE";
    c->op.effect = HISTORY_DELETES;
    tally.deletes++;
    write_condition(c);
    c->op.start = client_now();
    ask(c->s3, c->key, "DELETE", "", NULL, 0);
    c->op.end = client_now();
    judge(c, 204);
}

/* Creates an upload. False when that fails. */
static bool create(struct change *c, char id[UPLOAD_ID + 1])
{
    const struct wire_answer *a = &c->s3->client.wire.answer;
    const char *at;

    c->s3->headers[0] = '\0';
    add_version(c);
    if (s3_has_failed(ask(c->s3, c->key, "POST", "?uploads", "", 0)))
        return false;
    at = strstr(a->body, "<UploadId>");
    if (a->status != 200 || at == NULL) {
        client_complain(&c->s3->client, &c->key->key, "no upload");
        return false;
    }
    snprintf(id, UPLOAD_ID + 1, "%s", at + strlen("<UploadId>"));
    return true;
}

/* Uploads all of the version as one part. False when that fails. */
static bool upload(struct change *c, const char *id, size_t n)
{
    char query[128];
    int status = 0;

    snprintf(query, sizeof(query), "?uploadId=%s&partNumber=1", id);
    c->s3->headers[0] = '\0';
    for (int i = 0; i < PART_RETRIES && s3_has_failed(status); i++)
        status = ask(c->s3, c->key, "PUT", query, c->s3->client.value, n);
    if (status != 200 && !s3_has_failed(status))
        client_complain(&c->s3->client, &c->key->key, "a part is refused");
    return status == 200;
}

static bool is_answered(const struct wire_answer *a)
{
    return !s3_has_failed(a->status) && (a->status != 200 || strstr(a->body, "<Error>") == NULL);
}

/* Nobody but its client knows the upload: when it is gone, an attempt before has completed it, and
 * another change has replaced what it made. */
static bool was_done_before(const struct wire_answer *a, unsigned attempts)
{
    return attempts > 1 && a->status == 404 && strstr(a->body, "NoSuchUpload") != NULL;
}

/* Asks for it until it is known whether it has happened: an upload is completed once, and who asks
 * again is told so. */
static void complete(struct change *c, const char *id, const char *list)
{
    struct client *client = &c->s3->client;
    unsigned attempts = 0;
    char query[128];

    snprintf(query, sizeof(query), "?uploadId=%s", id);
    write_condition(c);
    c->op.start = client_now();
    for (;;) {
        attempts++;
        ask(c->s3, c->key, "POST", query, list, strlen(list));
        c->op.end = client_now();
        if (is_answered(&client->wire.answer))
            break;
        tally.refused++;
        if (c->op.end > c->op.start + PATIENCE) {
            client_complain(client, &c->key->key, "it can't be completed");
            break;
        }
        client_pause(50);
    }
    if (was_done_before(&client->wire.answer, attempts))
        keep(c);
    else
        judge(c, 200);
}

static void put_by_upload(struct change *c)
{
    struct client *client = &c->s3->client;
    unsigned char hash[MD5_SIZE];
    char hex[2 * MD5_SIZE + 1];
    char id[UPLOAD_ID + 1];
    char list[256];
    size_t n;

    c->name = "Complete";
    c->op.effect = HISTORY_PUTS;
    c->op.version = new_version(c->key, true);
    n = shared_value(c->key, c->op.version, client->value);
    md5_of(client->value, n, hash);
    write_hex(hash, hex);
    snprintf(list, sizeof(list),
             "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part>"
             "</CompleteMultipartUpload>",
             hex);
    s3_tally.completes++;
    if (create(c, id) && upload(c, id, n))
        complete(c, id, list);
    else
        tally.aborted++;
}

/* What a GET shows is one version, all of it: the version, or 0. */
static unsigned version_shown(struct s3_client *s3, const struct shared_key *key,
                              struct s3_seen *seen)
{
    struct client *client = &s3->client;
    const struct wire_answer *a = &client->wire.answer;
    unsigned version = shared_version(client, key);
    char digits[16];

    if (version == 0) {
        client_complain(client, &key->key, "a value that nobody has put");
        return 0;
    }
    make_etag(version, a->body, a->n_body, seen->etag);
    snprintf(digits, sizeof(digits), "%u", version);
    if (!has_header(a, "ETag", seen->etag))
        client_complain(client, &key->key, "the ETag of another value");
    if (!has_header(a, "x-amz-meta-version", digits))
        client_complain(client, &key->key, "the metadata of another value");
    seen->version = version;
    return version;
}

/* Whether it was answered. */
static bool get(struct s3_client *s3, struct shared_key *key, struct s3_seen *seen)
{
    struct history_op op = {.effect = HISTORY_READS, .needs = HISTORY_PRESENT};
    int status;

    tally.gets++;
    s3->headers[0] = '\0';
    op.start = client_now();
    status = ask(s3, key, "GET", "", NULL, 0);
    op.end = client_now();
    if (s3_has_failed(status)) {
        tally.reread++;
        return false;
    }
    if (status == 200) {
        op.version = version_shown(s3, key, seen);
    } else if (status == 404) {
        op.needs = HISTORY_ABSENT;
        seen->version = 0;
    } else {
        client_complain(&s3->client, &key->key, "GET");
    }
    history_add(&key->history, &op);
    return true;
}

static enum condition choose_condition(struct s3_client *s3, const struct s3_seen *seen,
                                       bool may_create)
{
    unsigned dice = rng_below(&s3->client.rng, 10);

    if (dice < 3 && may_create) {
        s3_tally.creations++;
        return CREATES;
    }
    if (dice < 6 && seen->version != 0) {
        s3_tally.matches++;
        return MATCHES;
    }
    return ALWAYS;
}

void s3_key_act(struct s3_client *s3, struct shared_key *keys, unsigned number)
{
    struct change c = {.s3 = s3, .key = &keys[number], .seen = &s3->seen[number]};
    unsigned dice = rng_below(&s3->client.rng, 100);

    if (dice < 45) {
        get(s3, c.key, &s3->seen[number]);
        return;
    }
    c.condition = choose_condition(s3, c.seen, dice < 85);
    if (dice < 65)
        put(&c);
    else if (dice < 70)
        put_by_copy(&c);
    else if (dice < 85)
        put_by_upload(&c);
    else
        delete (&c);
}

void s3_key_look_at(struct s3_client *s3, struct shared_key *keys, unsigned number)
{
    double until = client_now() + PATIENCE;

    while (!get(s3, &keys[number], &s3->seen[number])) {
        if (client_now() > until) {
            client_complain(&s3->client, &keys[number].key, "it can't be read at the end");
            return;
        }
        client_pause(20);
    }
    tally.present += s3->client.wire.answer.status == 200;
}
