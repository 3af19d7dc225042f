/* thrasher: writes, reads back, deletes and misses keys, and compares every byte and every status.
 * Exit codes: 0 all answers were right, 1 some were not, 2 usage. */
#include "scripts/thrasher/rounds.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VALUE ((uint64_t)1 << 40)

/* --- Options --------------------------------------------------------------------------------- */

static int parse_number(const char *text, char **end, uint64_t max, uint64_t *value)
{
    unsigned long long n;

    errno = 0;
    n = strtoull(text, end, 10);
    if (text[0] < '0' || text[0] > '9' || errno != 0 || n == 0 || n > max)
        return -EINVAL;
    *value = n;
    return 0;
}

static int parse_unsigned(const char *text, uint64_t max, unsigned *value)
{
    uint64_t n;
    char *end;

    if (parse_number(text, &end, max, &n) < 0 || *end != '\0')
        return -EINVAL;
    *value = (unsigned)n;
    return 0;
}

static int set_url(struct rounds_options *o, const char *text)
{
    if (strncmp(text, "http://", 7) != 0 || strlen(text) > 512)
        return -EINVAL;
    o->url = text;
    return 0;
}

static int set_clients(struct rounds_options *o, const char *text)
{
    return parse_unsigned(text, 10000, &o->clients);
}

static int set_count(struct rounds_options *o, const char *text)
{
    return parse_unsigned(text, 100000000, &o->count);
}

static int set_size(struct rounds_options *o, const char *text)
{
    uint64_t min;
    uint64_t max;
    char *end;

    if (parse_number(text, &end, MAX_VALUE, &min) < 0)
        return -EINVAL;
    max = min;
    if (*end == '-' && parse_number(end + 1, &end, MAX_VALUE, &max) < 0)
        return -EINVAL;
    if (*end != '\0' || max < min)
        return -EINVAL;
    o->size_min = min;
    o->size_max = max;
    return 0;
}

static int set_timeout(struct rounds_options *o, const char *text)
{
    unsigned seconds;
    int rc = parse_unsigned(text, INT_MAX / 1000, &seconds);

    if (rc == 0)
        o->timeout_ms = seconds * 1000;
    return rc;
}

static int set_keep(struct rounds_options *o, const char *text)
{
    (void)text;
    o->keep = true;
    return 0;
}

/* Parser, help and defaults walk this table. */
static const struct option {
    const char *name;
    const char *argument; /* NULL for a switch */
    const char *standard; /* the default, as text; NULL for a switch */
    int (*set)(struct rounds_options *o, const char *text);
    const char *help;
} options[] = {
    {"--url", "URL", "http://localhost:3000", set_url, "where the index is"},
    {"--clients", "N", "16", set_clients, "rounds in flight at once"},
    {"--count", "N", "10000", set_count, "rounds in all"},
    {"--size", "BYTES|MIN-MAX", "16", set_size, "size of the values"},
    {"--timeout", "SECONDS", "3", set_timeout, "deadline of each request"},
    {"--keep", NULL, NULL, set_keep, "delete nothing: fill the store"},
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static void help(void)
{
    char left[40];

    puts("usage: thrasher [options]\n\n"
         "Writes, reads back, deletes and misses keys, and compares every byte and status.\n");
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];

        snprintf(left, sizeof(left), "%s %s", o->name, o->argument != NULL ? o->argument : "");
        printf("  %-22s %s", left, o->help);
        printf(o->standard != NULL ? " (%s)\n" : "\n", o->standard);
    }
}

static const struct option *find_option(const char *name)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    }
    return NULL;
}

static int usage(const char *what, const char *name)
{
    fprintf(stderr, "thrasher: %s %s; thrasher --help lists the options\n", what, name);
    return -EINVAL;
}

static int parse(char **argv, struct rounds_options *out)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (options[i].standard != NULL)
            options[i].set(out, options[i].standard);
    }
    while (*++argv != NULL) {
        const struct option *o = find_option(*argv);

        if (o == NULL)
            return usage("unknown option", *argv);
        if (o->argument != NULL && *++argv == NULL)
            return usage("a value is missing after", o->name);
        if (o->set(out, *argv) < 0)
            return usage("cannot use the value of", o->name);
    }
    return 0;
}

/* --- Report ---------------------------------------------------------------------------------- */

static void report(const struct rounds_options *o, struct rounds_result *result)
{
    size_t answers = 0;

    for (enum step step = 0; step < N_STEPS; step++)
        answers += result->latency[step].n;
    printf("%u of %u rounds in %.2f s with %u clients: %.0f operations/s\n", result->completed,
           o->count, result->seconds, o->clients, (double)answers / result->seconds);
    for (enum step step = 0; step < N_STEPS; step++) {
        struct latency *l = &result->latency[step];

        latency_sort(l);
        if (l->n > 0)
            printf("  %-16s %8zu  p50 %8.2f ms  p99 %8.2f ms  max %8.2f ms\n", step_name(step),
                   l->n, latency_percentile(l, 50) / 1e3, latency_percentile(l, 99) / 1e3,
                   latency_percentile(l, 100) / 1e3);
    }
    if (result->failures > 0)
        printf("%u wrong answers\n", result->failures);
}

int main(int argc, char **argv)
{
    struct rounds_options o = {0};
    struct rounds_result result;
    bool good = false;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        help();
        return 0;
    }
    if (parse(argv, &o) < 0)
        return 2;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (rounds_run(&o, &result) < 0) {
        fputs("thrasher: out of memory\n", stderr);
    } else {
        report(&o, &result);
        good = result.failures == 0 && result.completed == o.count;
    }
    rounds_result_deinit(&result);
    curl_global_cleanup();
    return good ? 0 : 1;
}
