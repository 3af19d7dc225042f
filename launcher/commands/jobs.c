/* `mkv rebalance`, `mkv verify`, `mkv drain`, `mkv forget`: jobs; and `mkv cancel`, which ends one.
 */
#include <errno.h>
#include <string.h>

#include "index/base/address.h"
#include "launcher/commands.h"
#include "launcher/commands/index_dir.h"
#include "launcher/commands/job_client.h"

struct options {
    struct basic_options basic;
    const char *directory;
    struct job_options job;
    bool json;
    bool detach;
};

#define JOB_FLAG(name, help, field)                                                                \
    {                                                                                              \
        name, NULL, NULL, help, option_set_bool, offsetof(struct options, job.field)               \
    }

/* clang-format off */
#define JOB_OPTIONS \
    INDEX_DIR_OPTION(struct options, directory), \
    {"jobs", "N", NULL, "keys to move or mend at once, 4 unless given, up to 64", option_set_jobs, \
     offsetof(struct options, job.jobs)}, \
    {"rate", "BYTES[K|M|G]", NULL, "bytes a second to copy or read at most", \
     option_set_rate, offsetof(struct options, job.rate)}, \
    {"json", NULL, NULL, "print the job's progress as lines of JSON", option_set_bool, \
     offsetof(struct options, json)}, \
    {"detach", NULL, NULL, "start the job and don't wait for it; the index must run", \
     option_set_bool, \
     offsetof(struct options, detach)}, \
    BASIC_OPTIONS
/* clang-format on */

#define DETAILS                                                                                    \
    "The running index does it while it serves its clients; if none runs on the directory,\n"      \
    "this command does it. Ctrl-C cancels it, and the same command does the rest later.\n"         \
    "Exits with 0 when it is done and nothing is left to be mended.\n"

#define N_OF(table) (sizeof(table) / sizeof((table)[0]))

static const struct option rebalance_option_table[] = {
    JOB_FLAG("dry-run", "only count what would be moved", dry_run),
    JOB_OPTIONS,
};

const struct command rebalance_command = {
    .name = "rebalance",
    .operands = "",
    .summary = "Move values to the volumes where they belong now.",
    .details = DETAILS,
    .options = rebalance_option_table,
    .n_options = N_OF(rebalance_option_table),
};

static const struct option verify_option_table[] = {
    JOB_FLAG("deep", "also read the values, and compare their checksums", deep),
    JOB_FLAG("repair", "make copies anew that are missing or damaged", repair),
    JOB_FLAG("remove-orphans", "remove files that belong to no key", remove_orphans),
    JOB_OPTIONS,
};

const struct command verify_command = {
    .name = "verify",
    .operands = "",
    .summary = "Compare what the volumes hold with the index.",
    .details = DETAILS,
    .options = verify_option_table,
    .n_options = N_OF(verify_option_table),
};

static const struct option drain_option_table[] = {
    JOB_FLAG("undo", "let the volume take new values again", undo),
    JOB_OPTIONS,
};

const struct command drain_command = {
    .name = "drain",
    .operands = "HOST:PORT",
    .summary = "Empty a volume, so that it can be removed.",
    .details =
        "From the start on the volume takes no new values, not even after a cancel.\n" DETAILS,
    .options = drain_option_table,
    .n_options = N_OF(drain_option_table),
};

static const struct option forget_option_table[] = {JOB_OPTIONS};

const struct command forget_command = {
    .name = "forget",
    .operands = "HOST:PORT",
    .summary = "Give up the copies on a volume that is gone for good.",
    .details = DETAILS,
    .options = forget_option_table,
    .n_options = N_OF(forget_option_table),
};

static const char *set_volume(struct job_options *job, const char *name)
{
    struct address address;

    if (strlen(name) >= sizeof(job->volume) || volume_name_parse(name, &address) < 0)
        return "is no HOST:PORT";
    strcpy(job->volume, name);
    return NULL;
}

static int run(const struct command *command, bool takes_volume, int argc, char **argv)
{
    struct options options = {.basic = {.help = false}};
    struct job_request request;
    const char *problem;
    int exit_code;
    int n;

    if (!command_begin(command, argc, &argv, &options, &n, &exit_code))
        return exit_code;
    if (!takes_volume && n != 0)
        return options_usage_error(command, "%s takes no operands: '%s'", command->name, argv[0]);
    if (takes_volume && n != 1)
        return options_usage_error(command, "%s takes one volume, HOST:PORT", command->name);
    problem = takes_volume ? set_volume(&options.job, argv[0]) : NULL;
    if (problem != NULL)
        return options_usage_error(command, "the volume '%s' %s", argv[0], problem);
    log_set_level(LOG_LEVEL_WARN);
    request = (struct job_request){
        .directory = options.directory,
        .kind = command->name,
        .options = options.job,
        .json = options.json,
        .detach = options.detach,
    };
    return job_client_run(&request);
}

int rebalance_main(int argc, char **argv)
{
    return run(&rebalance_command, false, argc, argv);
}

int verify_main(int argc, char **argv)
{
    return run(&verify_command, false, argc, argv);
}

int drain_main(int argc, char **argv)
{
    return run(&drain_command, true, argc, argv);
}

int forget_main(int argc, char **argv)
{
    return run(&forget_command, true, argc, argv);
}

/* --- mkv cancel ------------------------------------------------------------------------------ */

struct cancel_options {
    struct basic_options basic;
    const char *directory;
};

static const struct option cancel_option_table[] = {
    INDEX_DIR_OPTION(struct cancel_options, directory),
    BASIC_OPTIONS,
};

const struct command cancel_command = {
    .name = "cancel",
    .operands = "JOB",
    .summary = "Cancel a job, by its number in mkv status.",
    .details = "What it has done stays done.\n",
    .options = cancel_option_table,
    .n_options = N_OF(cancel_option_table),
};

static int parse_id(const char *text, uint64_t *id)
{
    uint64_t n = 0;

    if (*text == '\0' || strlen(text) > 18)
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        n = n * 10 + (uint64_t)(*text - '0');
    }
    *id = n;
    return 0;
}

int cancel_main(int argc, char **argv)
{
    struct cancel_options options = {.basic = {.help = false}};
    uint64_t id;
    int exit_code;
    int n;

    if (!command_begin(&cancel_command, argc, &argv, &options, &n, &exit_code))
        return exit_code;
    if (n != 1 || parse_id(argv[0], &id) < 0)
        return options_usage_error(&cancel_command, "cancel takes the number of one job");
    log_set_level(LOG_LEVEL_WARN);
    return job_client_cancel(options.directory, id);
}
