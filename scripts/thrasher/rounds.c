/* A client is an easy handle that plays one round after the other. Its transfer ends in collect(),
 * which judges the answer and moves the client to the next step, to the next key, or to rest. */
#include "scripts/thrasher/rounds.h"

#include "scripts/thrasher/value.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define MAX_FAILURES 20
#define KEY_MAX      64

static const struct {
    const char *name; /* as messages call it */
    long expected;    /* the status of the right answer */
} steps[N_STEPS] = {
    [STEP_PUT] = {"PUT", 201},
    [STEP_GET] = {"GET", 200},
    [STEP_DELETE] = {"DELETE", 204},
    [STEP_GONE] = {"GET after DELETE", 404},
};

struct client {
    struct run *run;             /* the run it is part of */
    CURL *easy;                  /* its handle, used again for every request */
    enum step step;              /* the request in flight */
    char key[KEY_MAX];           /* of this round, with its leading slash */
    struct value value;          /* of this round */
    uint64_t offset;             /* bytes of the value sent or received so far */
    uint64_t agreed;             /* bytes received before the first that was wrong */
    char error[CURL_ERROR_SIZE]; /* libcurl's words when there was no answer */
};

struct run {
    const struct rounds_options *options; /* borrowed */
    struct rounds_result *result;         /* borrowed, filled as answers come in */
    CURLM *multi;                         /* drives all transfers */
    struct curl_slist *headers;           /* sent with every request */
    struct client *clients;               /* options->clients of them */
    unsigned id;                          /* random: two runs share no keys */
    unsigned started;                     /* rounds begun, and the number of the next key */
    unsigned in_flight;                   /* clients with a request under way */
};

const char *step_name(enum step step)
{
    return steps[step].name;
}

/* --- Bodies ---------------------------------------------------------------------------------- */

static size_t on_read(char *data, size_t size, size_t n, void *arg)
{
    struct client *c = arg;
    uint64_t left = c->value.size - c->offset;
    size_t part = left < size * n ? (size_t)left : size * n;

    value_read(&c->value, c->offset, data, part);
    c->offset += part;
    return part;
}

/* libcurl sends a body again when a connection that it had kept turns out to be closed. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct client *c = arg;

    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    c->offset = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_write(char *data, size_t size, size_t n, void *arg)
{
    struct client *c = arg;

    if (c->step == STEP_GET) {
        if (c->agreed == c->offset)
            c->agreed += value_compare(&c->value, c->offset, data, size * n);
        c->offset += size * n;
    }
    return size * n;
}

/* --- Requests -------------------------------------------------------------------------------- */

static void request(struct client *c, enum step step)
{
    c->step = step;
    c->offset = 0;
    c->agreed = 0;
    c->error[0] = '\0';
    if (step == STEP_PUT) {
        curl_easy_setopt(c->easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)c->value.size);
    } else {
        curl_easy_setopt(c->easy, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, step == STEP_DELETE ? "DELETE" : NULL);
    curl_easy_setopt(c->easy, CURLOPT_FOLLOWLOCATION, step == STEP_GET ? 1L : 0L);
    curl_multi_add_handle(c->run->multi, c->easy);
}

/* Begins the next round, or lets the client rest when there is none or too much went wrong. */
static void next_round(struct client *c)
{
    struct run *run = c->run;
    const struct rounds_options *o = run->options;
    char url[1024];

    if (run->started == o->count || run->result->failures >= MAX_FAILURES) {
        run->in_flight--;
        return;
    }
    snprintf(c->key, sizeof(c->key), "/benchmark-%08x-%u", run->id, run->started++);
    snprintf(url, sizeof(url), "%s%s", o->url, c->key);
    c->value = value_of(c->key, o->size_min, o->size_max);
    curl_easy_setopt(c->easy, CURLOPT_URL, url);
    request(c, STEP_PUT);
}

/* --- Answers --------------------------------------------------------------------------------- */

static void fail(struct client *c, const char *expected, const char *seen)
{
    if (c->run->result->failures++ >= MAX_FAILURES)
        return;
    fprintf(stderr, "thrasher: %s %s: expected %s, saw %s\n", step_name(c->step), c->key, expected,
            seen);
}

/* Whether the answer is the right one; says what is wrong with it if not. */
static bool judge(struct client *c, CURLcode code)
{
    char expected[64];
    char seen[CURL_ERROR_SIZE + 32];
    long status = 0;

    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    snprintf(expected, sizeof(expected), "%ld", steps[c->step].expected);
    if (code != CURLE_OK) {
        snprintf(seen, sizeof(seen), "no answer (%s)",
                 c->error[0] != '\0' ? c->error : curl_easy_strerror(code));
    } else if (status != steps[c->step].expected) {
        snprintf(seen, sizeof(seen), "%ld", status);
    } else if (c->step == STEP_GET && (c->agreed < c->offset || c->offset != c->value.size)) {
        snprintf(expected, sizeof(expected), "200 and %ju bytes", (uintmax_t)c->value.size);
        snprintf(seen, sizeof(seen), "200 and %ju bytes, of which the first %ju are right",
                 (uintmax_t)c->offset, (uintmax_t)c->agreed);
    } else {
        return true;
    }
    fail(c, expected, seen);
    return false;
}

static bool is_last(const struct client *c)
{
    return c->step == STEP_GONE || (c->step == STEP_GET && c->run->options->keep);
}

static void finish(struct client *c, CURLcode code)
{
    struct rounds_result *result = c->run->result;
    curl_off_t us = 0;

    if (!judge(c, code)) {
        next_round(c);
        return;
    }
    curl_easy_getinfo(c->easy, CURLINFO_TOTAL_TIME_T, &us);
    latency_add(&result->latency[c->step], us);
    if (!is_last(c)) {
        request(c, c->step + 1);
        return;
    }
    result->completed++;
    next_round(c);
}

static void collect(struct run *run)
{
    CURLMsg *message;
    struct client *c;
    CURLcode code;
    int left;

    while ((message = curl_multi_info_read(run->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &c);
        curl_multi_remove_handle(run->multi, c->easy);
        finish(c, code);
    }
}

/* --- The run --------------------------------------------------------------------------------- */

static int client_init(struct client *c, struct run *run)
{
    c->run = run;
    c->easy = curl_easy_init();
    if (c->easy == NULL)
        return -ENOMEM;
    curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, run->headers);
    curl_easy_setopt(c->easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(c->easy, CURLOPT_READDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(c->easy, CURLOPT_SEEKDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)run->options->timeout_ms);
    curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    return 0;
}

static void run_deinit(struct run *run)
{
    for (unsigned i = 0; run->clients != NULL && i < run->options->clients; i++)
        curl_easy_cleanup(run->clients[i].easy);
    free(run->clients);
    curl_multi_cleanup(run->multi);
    curl_slist_free_all(run->headers);
}

static int run_init(struct run *run)
{
    unsigned n = run->options->clients;

    for (enum step step = 0; step < N_STEPS; step++) {
        if (latency_init(&run->result->latency[step], run->options->count) < 0)
            return -ENOMEM;
    }
    if (getrandom(&run->id, sizeof(run->id), 0) != sizeof(run->id))
        run->id = (unsigned)time(NULL);
    run->multi = curl_multi_init();
    run->headers = curl_slist_append(NULL, "Expect:");
    run->clients = calloc(n, sizeof(*run->clients));
    if (run->multi == NULL || run->headers == NULL || run->clients == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < n; i++) {
        if (client_init(&run->clients[i], run) < 0)
            return -ENOMEM;
    }
    return 0;
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Every request has a deadline, so this ends. */
static void run_loop(struct run *run)
{
    int running;

    run->in_flight = run->options->clients;
    for (unsigned i = 0; i < run->options->clients; i++)
        next_round(&run->clients[i]);
    while (run->in_flight > 0) {
        curl_multi_perform(run->multi, &running);
        collect(run);
        if (run->in_flight > 0)
            curl_multi_poll(run->multi, NULL, 0, 1000, NULL);
    }
}

int rounds_run(const struct rounds_options *options, struct rounds_result *result)
{
    struct run run = {.options = options, .result = result};
    double start;
    int rc;

    memset(result, 0, sizeof(*result));
    rc = run_init(&run);
    if (rc == 0) {
        start = seconds_now();
        run_loop(&run);
        result->seconds = seconds_now() - start;
    }
    run_deinit(&run);
    return rc;
}

void rounds_result_deinit(struct rounds_result *result)
{
    for (enum step step = 0; step < N_STEPS; step++)
        latency_deinit(&result->latency[step]);
}
