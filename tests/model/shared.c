#include "tests/model/shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE       25.0 /* seconds that a key may be unreadable */
#define VERSION_DIGITS 10   /* that a value begins with */

void shared_init(struct shared_key *s, unsigned number)
{
    *s = (struct shared_key){.key = {.number = 1000000 + number}};
    snprintf(s->key.path, sizeof(s->key.path), "/shared/%u", number);
    history_init(&s->history);
}

size_t shared_size(const struct shared_key *s, unsigned version)
{
    size_t n = model_size(&s->key, version);

    return n > VERSION_DIGITS ? n : VERSION_DIGITS;
}

size_t shared_value(const struct shared_key *s, unsigned version, char *bytes)
{
    char digits[VERSION_DIGITS + 1];

    model_value(&s->key, version, bytes);
    snprintf(digits, sizeof(digits), "%0*u", VERSION_DIGITS, version);
    memcpy(bytes, digits, VERSION_DIGITS);
    return shared_size(s, version);
}

unsigned shared_version(struct client *c, const struct shared_key *s)
{
    const struct wire_answer *a = &c->wire.answer;
    char digits[VERSION_DIGITS + 1] = "";
    unsigned version;

    if (a->n_body < VERSION_DIGITS)
        return 0;
    memcpy(digits, a->body, VERSION_DIGITS);
    version = (unsigned)strtoul(digits, NULL, 10);
    if (version == 0 || version > s->last || shared_value(s, version, c->value) != a->n_body ||
        memcmp(c->value, a->body, a->n_body) != 0)
        return 0;
    return version;
}

/* --- Operations ------------------------------------------------------------------------------ */

static void ask(struct client *c, struct shared_key *s, const char *method, struct history_op *op,
                const char *value, size_t n)
{
    op->start = client_now();
    client_ask(c, method, &s->key, value, n);
    op->end = client_now();
}

/* Makes of an operation that has its start, its end, its effect and what that needs what its answer
 * says. `missing`: what the key is when the answer is `no`. */
static void judge(struct client *c, struct shared_key *s, struct history_op *op, int yes, int no,
                  unsigned missing)
{
    int status = c->wire.answer.status;

    if (status == no) {
        op->effect = HISTORY_READS;
        op->needs = missing;
        op->version = 0;
    } else if (client_is_refusal(c)) {
        tally.refused++;
        return;
    } else if (client_has_no_answer(c)) {
        op->maybe = true;
    } else if (status != yes) {
        client_complain(c, &s->key, "an answer that can't be");
        return;
    }
    if (op->maybe && op->effect == HISTORY_READS)
        return;
    history_add(&s->history, op);
}

static void put(struct client *c, struct shared_key *s)
{
    unsigned version = ++s->last;
    struct history_op op = {.needs = HISTORY_GONE, .effect = HISTORY_PUTS, .version = version};
    size_t n = shared_value(s, version, c->value);

    tally.puts++;
    ask(c, s, "PUT", &op, c->value, n);
    judge(c, s, &op, 201, 409, HISTORY_PRESENT);
}

static void change(struct client *c, struct shared_key *s, const char *method,
                   enum history_effect effect, unsigned needs)
{
    struct history_op op = {.needs = needs, .effect = effect};

    ask(c, s, method, &op, NULL, 0);
    judge(c, s, &op, 204, 404, (HISTORY_GONE | HISTORY_PRESENT) & ~needs);
}

/* A GET that was redirected has seen a value: which one, its volume tells, if it is there and
 * nobody has deleted the value meanwhile. False when it doesn't. */
static bool follow(struct client *c, struct shared_key *s, struct history_op *op)
{
    int status = client_follow(c);

    op->needs = HISTORY_PRESENT;
    if (status == 200) {
        op->version = shared_version(c, s);
        if (op->version == 0)
            client_complain(c, &s->key, "a value that nobody has put");
    }
    history_add(&s->history, op);
    return status == 200;
}

/* Whether it was answered, and its value has been seen. */
static bool get(struct client *c, struct shared_key *s)
{
    struct history_op op = {.effect = HISTORY_READS};

    ask(c, s, "GET", &op, NULL, 0);
    if (c->wire.answer.status == 302)
        return follow(c, s, &op);
    if (c->wire.answer.status == 404) {
        op.needs = HISTORY_GONE;
        history_add(&s->history, &op);
        return true;
    }
    if (c->wire.answer.status != 0 && c->wire.answer.status < 500)
        client_complain(c, &s->key, "GET");
    return false;
}

void shared_act(struct client *c, struct shared_key *s)
{
    unsigned dice = (unsigned)rng_below(&c->rng, 100);

    if (dice < 35) {
        put(c, s);
    } else if (dice < 65) {
        tally.gets++;
        if (!get(c, s))
            tally.reread++;
    } else if (dice < 80) {
        tally.deletes++;
        change(c, s, "DELETE", HISTORY_DELETES, HISTORY_PRESENT | HISTORY_UNLINKED);
    } else if (dice < 92) {
        tally.unlinks++;
        change(c, s, "UNLINK", HISTORY_UNLINKS, HISTORY_PRESENT);
    } else {
        tally.rebalances++;
        change(c, s, "REBALANCE", HISTORY_READS, HISTORY_PRESENT);
    }
}

void shared_look_at(struct client *c, struct shared_key *s)
{
    double until = client_now() + PATIENCE;

    while (!get(c, s)) {
        if (client_now() > until) {
            client_complain(c, &s->key, "it can't be read at the end");
            return;
        }
        client_pause(20);
    }
    if (c->wire.answer.status == 200)
        tally.present++;
    else /* is it absent, or unlinked? */
        change(c, s, "DELETE", HISTORY_DELETES, HISTORY_PRESENT | HISTORY_UNLINKED);
}
