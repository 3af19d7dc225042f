/* Ends a process that writes to a store, over and over, and looks each time whether the store holds
 * what that process was told it holds.
 *
 *     crash_harness --writer PROGRAM [--seconds N] [--seed N]     SIGKILL at a random instant
 *     crash_harness --writer PROGRAM --steps                      at every step there is, in turn
 *
 * A failure leaves the directory, names it and the seed, and exits 1. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/base/log.h"
#include "tests/crash/ledger.h"
#include "tests/support/storebox.h"

#define QUIET_MS_MAX 60000 /* a writer that says nothing for so long hangs */
#define KILL_MS_MAX  200
#define STEP_CHECKPOINTS                                                                           \
    3                       /* that the writer makes if no step ends it: both tables are made anew \
                             */
#define STEP_BYTES     6000 /* a checkpoint is due after so many */
#define STEPS_MAX      100000
#define STEP_NAMES_MAX 200

struct harness {
    const char *writer;
    uint64_t seed;
    struct rng rng;
    const char *top;
    const char *dir; /* of the store, in top */
    const char *copy;
    struct ledger ledger;
    char step[64]; /* at which the last writer ended; "" if it closed the store */
    char step_names[STEP_NAMES_MAX][64];
    unsigned step_counts[STEP_NAMES_MAX];
    unsigned n_step_names;
};

/* How one run of the writer is to go. */
struct run {
    int kill_ms; /* -1: let it end */
    uint64_t checkpoint_bytes;
    bool sync;
    unsigned checkpoints;
    unsigned step;
};

static int64_t now_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

/* --- The writer ------------------------------------------------------------------------------ */

static pid_t start_writer(struct harness *h, const struct run *run, int *notes)
{
    char args[7][24];
    char *argv[] = {(char *)h->writer, (char *)h->dir, args[0], args[1], args[2],
                    args[3],           args[4],        args[5], args[6], NULL};
    int fds[2];
    pid_t pid;

    snprintf(args[0], sizeof(args[0]), "%llu", (unsigned long long)h->seed);
    snprintf(args[1], sizeof(args[1]), "%llu", (unsigned long long)rng_next(&h->rng));
    snprintf(args[2], sizeof(args[2]), "%llu", (unsigned long long)h->ledger.next_version);
    snprintf(args[3], sizeof(args[3]), "%llu", (unsigned long long)run->checkpoint_bytes);
    snprintf(args[4], sizeof(args[4]), "%d", run->sync);
    snprintf(args[5], sizeof(args[5]), "%u", run->checkpoints);
    snprintf(args[6], sizeof(args[6]), "%u", run->step);
    STOREBOX_CHECK(argv[0] != NULL, "no writer");
    STOREBOX_CHECK(pipe2(fds, O_CLOEXEC) == 0, "%s", strerror(errno));
    pid = fork();
    STOREBOX_CHECK(pid >= 0, "%s", strerror(errno));
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    close(fds[1]);
    *notes = fds[0];
    return pid;
}

/* Reads what is in the pipe; false at its end. Notes are whole, so reads of many of them are. */
static bool read_notes(struct harness *h, int fd)
{
    static struct note notes[512];
    static size_t have; /* bytes of a note that a read cut */
    ssize_t n = read(fd, (char *)notes + have, sizeof(notes) - have);
    size_t whole;

    STOREBOX_CHECK(n >= 0 || errno == EINTR, "%s", strerror(errno));
    if (n == 0)
        STOREBOX_CHECK(have == 0, "a note was torn");
    if (n <= 0)
        return n < 0;
    have += (size_t)n;
    whole = have / sizeof(notes[0]);
    for (size_t i = 0; i < whole; i++) {
        if (notes[i].kind == NOTE_STEP)
            snprintf(h->step, sizeof(h->step), "%.63s", notes[i].step);
        else if (notes[i].kind != NOTE_END)
            ledger_note(&h->ledger, &notes[i]);
    }
    have -= whole * sizeof(notes[0]);
    memmove(notes, &notes[whole], have);
    return true;
}

/* Runs the writer to its end, by a kill or by itself. */
static void run_writer(struct harness *h, const struct run *run)
{
    int64_t deadline = now_ms() + run->kill_ms;
    bool killed = run->kill_ms < 0;
    struct pollfd pipe = {.events = POLLIN};
    pid_t pid;
    int status;

    h->step[0] = '\0';
    pid = start_writer(h, run, &pipe.fd);
    for (;;) {
        int64_t left = killed ? QUIET_MS_MAX : deadline - now_ms();
        int ready = left > 0 ? poll(&pipe, 1, (int)left) : 0;

        if (ready > 0 && !read_notes(h, pipe.fd))
            break;
        if (ready != 0)
            continue;
        kill(pid, killed ? SIGABRT : SIGKILL);
        STOREBOX_CHECK(!killed, "the writer hangs");
        killed = true;
    }
    close(pipe.fd);
    STOREBOX_CHECK(waitpid(pid, &status, 0) == pid, "%s", strerror(errno));
    if (run->kill_ms >= 0)
        STOREBOX_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                       "the writer ended by itself, status %x", (unsigned)status);
    else
        STOREBOX_CHECK(status == 0, "the writer failed, status %x", (unsigned)status);
}

/* Checks the directory itself, or a copy, so that the next writer finds what the last one left. */
static void check(struct harness *h, bool copy)
{
    if (!copy) {
        ledger_check(&h->ledger, &h->rng, h->dir);
        return;
    }
    if (access(h->dir, F_OK) < 0) {
        STOREBOX_CHECK(h->ledger.issued == 0, "%s is gone", h->dir);
        return; /* killed before it made it */
    }
    storebox_copy_directory(h->dir, h->copy);
    ledger_check(&h->ledger, &h->rng, h->copy);
    storebox_remove_directory(h->copy);
}

/* --- Both ways ------------------------------------------------------------------------------- */

static void run_kills(struct harness *h, unsigned seconds)
{
    int64_t end = now_ms() + (int64_t)seconds * 1000;
    unsigned rounds = 0;

    while (now_ms() < end) {
        struct run run = {.kill_ms = 1 + (int)rng_below(&h->rng, KILL_MS_MAX),
                          .checkpoint_bytes = 1UL << (10 + rng_below(&h->rng, 10)),
                          .sync = rng_one_in(&h->rng, 2)};

        run_writer(h, &run);
        check(h, rng_one_in(&h->rng, 2));
        rounds++;
    }
    check(h, false);
    printf("%u checks, %llu commits, %llu acknowledged; in flight at a kill: %llu survived, %llu "
           "didn't\n",
           rounds, (unsigned long long)h->ledger.issued, (unsigned long long)h->ledger.acked,
           (unsigned long long)h->ledger.settled[1], (unsigned long long)h->ledger.settled[0]);
    STOREBOX_CHECK(rounds > 0 && h->ledger.acked > 0, "nothing was tried");
    storebox_remove_directory(h->dir);
}

static void count_step(struct harness *h)
{
    unsigned i = 0;

    while (i < h->n_step_names && strcmp(h->step_names[i], h->step) != 0)
        i++;
    STOREBOX_CHECK(i < STEP_NAMES_MAX, "too many names of steps");
    if (i == h->n_step_names)
        strcpy(h->step_names[h->n_step_names++], h->step);
    h->step_counts[i]++;
}

/* One directory from nothing: a writer that ends at its `step`, and then one more, which ends at
 * that step too and so often in recovery. False once a writer came to its own end. */
static bool try_step(struct harness *h, unsigned step)
{
    struct run run = {.kill_ms = -1,
                      .checkpoint_bytes = STEP_BYTES,
                      .checkpoints = STEP_CHECKPOINTS,
                      .sync = true,
                      .step = step};
    bool more;

    memset(&h->ledger, 0, sizeof(h->ledger));
    h->ledger.next_version = 1;
    h->ledger.survives = true;
    run_writer(h, &run);
    more = h->step[0] != '\0';
    if (more)
        count_step(h);
    check(h, true);
    run_writer(h, &run);
    if (h->step[0] != '\0')
        count_step(h);
    check(h, false);
    storebox_remove_directory(h->dir);
    return more;
}

static void run_steps(struct harness *h)
{
    unsigned step = 1;

    while (step < STEPS_MAX && try_step(h, step))
        step++;
    printf("%u steps, %u names:\n", step - 1, h->n_step_names);
    for (unsigned i = 0; i < h->n_step_names; i++)
        printf("    %5u  %s\n", h->step_counts[i], h->step_names[i]);
    STOREBOX_CHECK(h->n_step_names > 1, "the writer says no steps: was it built with them?");
}

/* --- Start ----------------------------------------------------------------------------------- */

static char top[] = "/tmp/mkv-crash-XXXXXX";
static char dir[sizeof(top) + 8];
static char copy[sizeof(top) + 8];
static struct harness harness = {.top = top, .dir = dir, .copy = copy};

static void say_where(void)
{
    if (access(harness.top, F_OK) == 0)
        fprintf(stderr, "seed %llu, last step '%s', left behind: %s\n",
                (unsigned long long)harness.seed, harness.step, harness.top);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"writer", required_argument, NULL, 'w'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"seed", required_argument, NULL, 'r'},
                                            {"steps", no_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    struct harness *h = &harness;
    unsigned seconds = 60;
    bool steps = false;
    int option;

    h->seed = rng_seed("MKV_CRASH_SEED");
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'w')
            h->writer = optarg;
        else if (option == 's')
            seconds = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'r')
            h->seed = strtoull(optarg, NULL, 0);
        else if (option == 't')
            steps = true;
        else
            return 2;
    }
    if (h->writer == NULL) {
        fprintf(stderr,
                "usage: crash_harness --writer PROGRAM [--seconds N] [--seed N] [--steps]\n");
        return 2;
    }
    printf("seed %llu\n", (unsigned long long)h->seed);
    fflush(stdout);
    log_set_level(LOG_LEVEL_ERROR);
    universe_init(h->seed);
    h->rng.state = h->seed ^ 1;
    h->ledger.next_version = 1;
    h->ledger.survives = true;
    STOREBOX_CHECK(mkdtemp(top) != NULL, "%s: %s", top, strerror(errno));
    snprintf(dir, sizeof(dir), "%s/store", top);
    snprintf(copy, sizeof(copy), "%s/copy", top);
    atexit(say_where);
    if (steps)
        run_steps(h);
    else
        run_kills(h, seconds);
    rmdir(h->top);
    return 0;
}
