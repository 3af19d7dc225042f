/* `mkv rebuild`: makes an index out of what lies on the volumes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "index/access/secret.h"
#include "index/base/clock.h"
#include "index/cluster/sign.h"
#include "index/maintenance/rebuild.h"
#include "launcher/commands.h"
#include "launcher/commands/index_dir.h"
#include "launcher/commands/settings.h"
#include "launcher/commands/volume_list.h"
#include "launcher/commands/watch.h"
#include "launcher/store_option.h"

struct options {
    struct basic_options basic;
    const char *directory;
    const char *volumes_file;
    const char *secret_file;
    const char *store;
    struct tls_paths tls;
    bool replace;
    bool no_backup;
};

static const struct option rebuild_option_table[] = {
    INDEX_DIR_OPTION(struct options, directory),
    STORE_OPTION(struct options, store),
    {"volumes-file", "FILE", NULL, "more volumes, one a line", option_set_string,
     offsetof(struct options, volumes_file)},
    {"secret-file", "FILE", NULL, "the secret that an index and its volumes share",
     option_set_string, offsetof(struct options, secret_file)},
    {"tls-ca", "FILE", NULL, "authorities to trust of volumes named https://HOST:PORT",
     option_set_string, offsetof(struct options, tls.authorities)},
    {"tls-cert", "FILE", NULL, "the index's certificate, for volumes that demand it",
     option_set_string, offsetof(struct options, tls.certificate)},
    {"tls-key", "FILE", NULL, "the certificate's private key", option_set_string,
     offsetof(struct options, tls.key)},
    {"replace", NULL, NULL, "rebuild over an index that isn't empty, and lose what it holds",
     option_set_bool, offsetof(struct options, replace)},
    {"no-backup", NULL, NULL, "use the files only, not the index's backup among them",
     option_set_bool, offsetof(struct options, no_backup)},
    BASIC_OPTIONS,
};

const struct command rebuild_command = {
    .name = "rebuild",
    .operands = "[VOLUME...]",
    .summary = "Make an index from what is on the volumes, each HOST:PORT.",
    .details =
        "All volumes must run, and the index must not. The index changes in one step at the\n"
        "end; until then it holds what it did before. Volumes that minikeyvalue or pymkv\n"
        "wrote are read as they are. With --store the database changes, and what is sorted on\n"
        "the way lies in DIR.\n",
    .options = rebuild_option_table,
    .n_options = sizeof(rebuild_option_table) / sizeof(rebuild_option_table[0]),
};

static void progress_cb(const struct rebuild_progress *progress, void *arg)
{
    struct job_line line = {
        .kind = "rebuild",
        .noun = "files",
        .done = progress->files,
        .total = progress->total,
    };

    snprintf(line.phase, sizeof(line.phase), "%s", progress->phase);
    if (progress->keys > 0)
        snprintf(line.counts, sizeof(line.counts), "%" PRIu64 " keys", progress->keys);
    watch_show(arg, &line);
}

static void say(uint64_t n, const char *what)
{
    if (n > 0)
        printf("%" PRIu64 " %s\n", n, what);
}

/* Whole minutes, or of a day and more, hours. */
static void print_age(uint64_t time)
{
    uint64_t now = clock_now_ms();
    uint64_t minutes = now > time ? (now - time) / 60000 : 0;

    if (minutes < 60)
        printf("%" PRIu64 " min", minutes);
    else if (minutes < 24 * 60)
        printf("%" PRIu64 " h %" PRIu64 " min", minutes / 60, minutes % 60);
    else
        printf("%" PRIu64 " days %" PRIu64 " h", minutes / 1440, minutes / 60 % 24);
}

static void report_backup(const struct rebuild_counts *counts, const struct options *options)
{
    time_t when = (time_t)(counts->backup_time / 1000);
    char text[64] = "?";
    struct tm local;

    if (options->no_backup)
        return;
    if (counts->backup_time == 0) {
        printf("%s: keys that were unlinked are back, and deleted ones may be\n",
               counts->backup_damaged ? "no backup of the index is whole"
                                      : "there is no backup of the index");
        return;
    }
    if (localtime_r(&when, &local) != NULL)
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &local);
    printf("used the backup of %s, ", text);
    print_age(counts->backup_time);
    printf(" old, which has %" PRIu64 " keys\n", counts->backup_keys);
}

static int report(const struct rebuild_counts *counts, const struct options *options,
                  const struct watch *w)
{
    const struct choose_counts *c = &counts->chosen;
    double seconds = (double)watch_elapsed_ms(w) / 1000;
    uint64_t keys = c->keys - counts->hidden;

    printf("rebuilt %" PRIu64 " keys with %" PRIu64 " copies", keys,
           c->copies - counts->hidden_copies);
    if (seconds >= 1)
        printf(" in %.1f s (%.0f keys/s)", seconds, (double)keys / seconds);
    putchar('\n');
    report_backup(counts, options);
    say(c->lost,
        "of the values that the backup knows have no file: they were deleted since, or are lost");
    say(c->orphans, "older or damaged values are orphans: mkv index removes them");
    say(c->disagree, "keys have copies that differ in size");
    say(c->cut, "keys have no whole copy: the file says that it was longer");
    say(c->too_many, "files are copies over what a key can have; they were left alone");
    say(counts->foreign, "files have keys that no request can name; they were left alone");
    say(counts->strangers, "files have no blob's name; they were left alone");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int rebuild(const struct options *options, const char *directory,
                   const struct volume_list *volumes, const struct signer *signer,
                   const struct tls_files *tls)
{
    struct watch watch;
    const char *names[VOLUMES_MAX];
    const struct rebuild_options how = {
        .directory = directory,
        .store_uri = options->store,
        .volumes = names,
        .n_volumes = volumes->count,
        .signer = signer,
        .tls = tls,
        .replace = options->replace,
        .ignore_backup = options->no_backup,
        .progress_cb = progress_cb,
        .arg = &watch,
    };
    struct rebuild_counts counts;
    int rc;

    watch_begin(&watch, false);
    for (size_t i = 0; i < volumes->count; i++)
        names[i] = volumes->entries[i].name;
    rc = rebuild_run(&how, &counts);
    watch_end(&watch);
    return rc < 0 ? EXIT_FAILURE : report(&counts, options, &watch);
}

static int read_secret(const struct options *options, struct signer *signer)
{
    struct secrets secrets = {.n = 0};
    char why[SECRET_WHY_SIZE];
    int rc;

    if (options->secret_file == NULL)
        return 0;
    rc = secrets_read(options->secret_file, &secrets, why);
    if (rc < 0)
        log_error("the secret can't be used: %s", why);
    else
        signer_set(signer, &secrets, TICKET_TTL);
    secrets_deinit(&secrets);
    return rc;
}

static int read_tls(const struct options *options, struct tls_files *tls)
{
    char why[TLS_WHY_SIZE];
    int rc = tls_files_read(&options->tls, tls, why);

    if (rc < 0)
        log_error("%s", why);
    return rc;
}

static int rebuild_from(const struct options *options, const struct volume_list *volumes)
{
    struct signer signer = {.version = 0};
    struct tls_files tls;
    char *directory;
    int exit_code = EXIT_FAILURE;

    if (read_secret(options, &signer) < 0 || read_tls(options, &tls) < 0)
        goto out;
    if (index_dir_prepare(options->directory, &directory) == 0) {
        if (options->store != NULL || settings_refuse_last_store(directory) == 0)
            exit_code = rebuild(options, directory, volumes, &signer, &tls);
        free(directory);
    }
    tls_files_deinit(&tls);
out:
    signer_deinit(&signer);
    return exit_code;
}

int rebuild_main(int argc, char **argv)
{
    struct options options = {.basic = {.help = false}};
    struct volume_list volumes = {.count = 0};
    char problem[VOLUME_LIST_TEXT_MAX];
    const char *bad = NULL;
    int exit_code;
    int n;

    if (!command_begin(&rebuild_command, argc, &argv, &options, &n, &exit_code))
        return exit_code;
    for (int i = 0; i < n && bad == NULL; i++)
        bad = volume_list_add(&volumes, argv[i], problem);
    if (bad == NULL && options.volumes_file != NULL)
        bad = volume_list_read(&volumes, options.volumes_file, problem);
    if (bad == NULL && volumes.count == 0)
        bad = "rebuild takes at least one VOLUME, or a --volumes-file with one";
    if (bad == NULL && (options.tls.certificate == NULL) != (options.tls.key == NULL))
        bad = "--tls-cert and --tls-key need each other";
    if (bad == NULL && options.store != NULL && store_option_problem(options.store) != NULL) {
        snprintf(problem, sizeof(problem), "--store %s", store_option_problem(options.store));
        bad = problem;
    }
    log_set_level(LOG_LEVEL_WARN);
    exit_code = bad != NULL ? options_usage_error(&rebuild_command, "%s", bad)
                            : rebuild_from(&options, &volumes);
    volume_list_deinit(&volumes);
    return exit_code;
}
