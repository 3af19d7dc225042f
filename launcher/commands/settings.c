#include "launcher/commands/settings.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/base/small_file.h"
#include "index/server.h"
#include "index/store/gdbm/gdbm_engine.h"
#include "launcher/store_option.h"

#define FORMAT      "mkv-settings 1"
#define FORMAT_NAME "mkv-settings "
#define LINE_SIZE   (PATH_MAX + 64)
#define FILE_MAX    (VOLUMES_MAX * 512UL + 16UL * LINE_SIZE)

/* A line that stands there once: a number. */
struct field {
    const char *name;
    unsigned min;
    unsigned max;
};

enum { REPLICAS, SUBVOLUMES, GRACE, SYNC, KEEP_MD5, N_FIELDS };

static const struct field fields[N_FIELDS] = {
    [REPLICAS] = {"replicas", 1, 16},
    [SUBVOLUMES] = {"subvolumes", 1, 256},
    [GRACE] = {"grace_ms", 0, 86400 * 1000},
    [SYNC] = {"sync", 0, 1},
    [KEEP_MD5] = {"md5", 0, 1},
};

/* A line that stands there once or not at all: the absolute path of a file, or a URI. */
enum { STORE, SECRET, TLS_CA, TLS_CERT, TLS_KEY, N_PATHS };

static const char *const path_names[N_PATHS] = {[STORE] = "store",
                                                [SECRET] = "secret_file",
                                                [TLS_CA] = "tls_ca",
                                                [TLS_CERT] = "tls_cert",
                                                [TLS_KEY] = "tls_key"};

void settings_deinit(struct settings *settings)
{
    volume_list_deinit(&settings->volumes);
    free((char *)settings->store_uri);
    free((char *)settings->secret_file);
    settings->store_uri = settings->secret_file = NULL;
    free((char *)settings->tls.authorities);
    free((char *)settings->tls.certificate);
    free((char *)settings->tls.key);
    settings->tls = (struct tls_paths){.key = NULL};
}

/* --- Writing --------------------------------------------------------------------------------- */

static int append_volume(struct buf *out, const struct volume_entry *volume)
{
    return buf_append_format(out, "volume %s%s%s weight=%u\n", volume->name,
                             volume->zone[0] != '\0' ? " zone=" : "", volume->zone, volume->weight);
}

static int append_path(struct buf *out, const char *name, const char *path)
{
    if (path == NULL)
        return 0;
    if (strchr(path, '\n') != NULL || strlen(path) >= PATH_MAX)
        return -EINVAL;
    return buf_append_format(out, "%s %s\n", name, path);
}

int settings_append(struct buf *out, const struct index_server_options *options,
                    const struct volume_entry *volumes, size_t n_volumes)
{
    const unsigned values[N_FIELDS] = {
        [REPLICAS] = options->copies, [SUBVOLUMES] = options->subvolumes,
        [GRACE] = options->grace_ms,  [SYNC] = options->sync,
        [KEEP_MD5] = options->md5,
    };
    const char *const paths[N_PATHS] = {
        [STORE] = options->store_uri,
        [SECRET] = options->secret_file,
        [TLS_CA] = options->tls_paths.authorities,
        [TLS_CERT] = options->tls_paths.certificate,
        [TLS_KEY] = options->tls_paths.key,
    };
    int rc = buf_append_string(out, FORMAT "\n");

    for (size_t i = 0; i < N_FIELDS && rc == 0; i++)
        rc = buf_append_format(out, "%s %u\n", fields[i].name, values[i]);
    for (size_t i = 0; i < N_PATHS && rc == 0; i++)
        rc = append_path(out, path_names[i], paths[i]);
    for (size_t i = 0; i < n_volumes && rc == 0; i++)
        rc = append_volume(out, &volumes[i]);
    return rc;
}

int settings_write(const char *directory, const struct index_server_options *options,
                   const struct volume_entry *volumes, size_t n_volumes)
{
    struct buf text = {0};
    int rc = settings_append(&text, options, volumes, n_volumes);

    if (rc == 0)
        rc = small_file_replace(directory, SETTINGS_FILE, buf_bytes(&text), buf_size(&text));
    buf_deinit(&text);
    if (rc < 0)
        log_warn("cannot write %s/" SETTINGS_FILE ": %s; maintenance of this index while it doesn't"
                 " run may use older ones",
                 directory, strerror(-rc));
    return rc;
}

/* --- Reading --------------------------------------------------------------------------------- */

struct reading {
    struct settings *settings;
    unsigned values[N_FIELDS];
    bool is_there[N_FIELDS];
};

/* Decimal digits, as they are written. */
static bool parse_number(const char *digits, const struct field *field, unsigned *number)
{
    unsigned n = 0;

    if (*digits == '\0' || (*digits == '0' && digits[1] != '\0'))
        return false;
    for (; *digits != '\0'; digits++) {
        if (*digits < '0' || *digits > '9' || n > field->max / 10)
            return false;
        n = n * 10 + (unsigned)(*digits - '0');
    }
    *number = n;
    return n >= field->min && n <= field->max;
}

/* Takes one line, whose words are `name` and what comes after it. NULL, or what is wrong. */
static const char *take_field(struct reading *r, const char *name, const char *value,
                              char problem[SETTINGS_TEXT_MAX])
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (strcmp(fields[i].name, name) != 0)
            continue;
        if (r->is_there[i])
            return "it is there twice";
        r->is_there[i] = true;
        if (parse_number(value, &fields[i], &r->values[i]))
            return NULL;
        snprintf(problem, SETTINGS_TEXT_MAX, "it is no number from %u to %u", fields[i].min,
                 fields[i].max);
        return problem;
    }
    return "nothing is called that";
}

/* NULL, or what is wrong; *taken says whether the line is one of these. */
static const char *take_path(struct reading *r, const char *name, const char *value, bool *taken)
{
    struct tls_paths *tls = &r->settings->tls;
    const char **const paths[N_PATHS] = {[STORE] = &r->settings->store_uri,
                                         [SECRET] = &r->settings->secret_file,
                                         [TLS_CA] = &tls->authorities,
                                         [TLS_CERT] = &tls->certificate,
                                         [TLS_KEY] = &tls->key};

    *taken = false;
    for (size_t i = 0; i < N_PATHS; i++) {
        if (strcmp(path_names[i], name) != 0)
            continue;
        *taken = true;
        if (*paths[i] != NULL)
            return "it is there twice";
        if (strlen(value) >= PATH_MAX || (*value != '/' && i != STORE))
            return "it is no absolute path";
        if (i == STORE && store_option_problem(value) != NULL)
            return "it is no URI of a database that this mkv takes";
        *paths[i] = strdup(value);
        return *paths[i] != NULL ? NULL : "out of memory";
    }
    return NULL;
}

static const char *take_line(struct reading *r, char *line, char problem[SETTINGS_TEXT_MAX])
{
    char *value = strchr(line, ' ');
    size_t count = r->settings->volumes.count;
    const char *bad;
    bool taken;

    if (value == NULL)
        return "it is no name and value";
    *value++ = '\0';
    bad = take_path(r, line, value, &taken);
    if (taken)
        return bad;
    if (strcmp(line, "volume") != 0)
        return take_field(r, line, value, problem);
    bad = volume_list_add_line(&r->settings->volumes, value, strlen(value), problem);
    if (bad == NULL && r->settings->volumes.count == count)
        bad = "it names no volume";
    return bad;
}

static const char *check_format(const char *line)
{
    if (strcmp(line, FORMAT) == 0)
        return NULL;
    return strncmp(line, FORMAT_NAME, strlen(FORMAT_NAME)) == 0
               ? "a newer mkv has written it; use that one"
               : "it doesn't begin with \"" FORMAT "\"";
}

static const char *take_values(struct reading *r, char problem[SETTINGS_TEXT_MAX])
{
    struct settings *s = r->settings;

    for (size_t i = 0; i < N_FIELDS; i++) {
        if (r->is_there[i])
            continue;
        snprintf(problem, SETTINGS_TEXT_MAX, "%s is missing", fields[i].name);
        return problem;
    }
    s->replicas = r->values[REPLICAS];
    s->subvolumes = r->values[SUBVOLUMES];
    s->grace_ms = r->values[GRACE];
    s->sync = r->values[SYNC] != 0;
    s->md5 = r->values[KEEP_MD5] != 0;
    if ((s->tls.certificate == NULL) != (s->tls.key == NULL))
        return "there is one of tls_cert and tls_key";
    return s->volumes.count < s->replicas ? "there are fewer volumes than replicas" : NULL;
}

/* The next line, up to its end; NULL, or what is wrong with it. */
static const char *next_line(const char **at, const char *end, char line[LINE_SIZE])
{
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    size_t len = newline != NULL ? (size_t)(newline - *at) : 0;

    if (newline == NULL)
        return "its end is missing";
    if (len >= LINE_SIZE)
        return "it is too long";
    if (memchr(*at, '\0', len) != NULL)
        return "a byte NUL is in it";
    memcpy(line, *at, len);
    line[len] = '\0';
    *at = newline + 1;
    return NULL;
}

const char *settings_parse(const char *bytes, size_t len, struct settings *settings,
                           char problem[SETTINGS_TEXT_MAX])
{
    struct reading r = {.settings = settings};
    const char *end = bytes + len;
    char inner[SETTINGS_TEXT_MAX];
    char line[LINE_SIZE];
    const char *bad = len == 0 ? "it is empty" : NULL;
    unsigned n = 0;

    while (bad == NULL && bytes < end) {
        bad = next_line(&bytes, end, line);
        n++;
        if (bad == NULL)
            bad = n == 1 ? check_format(line) : take_line(&r, line, inner);
    }
    if (bad == NULL) {
        bad = take_values(&r, problem);
        if (bad == NULL)
            return NULL;
        return bad == problem ? bad : strcpy(problem, bad);
    }
    snprintf(problem, SETTINGS_TEXT_MAX, "line %u: %.*s", n, VOLUME_LIST_TEXT_MAX, bad);
    return problem;
}

static int read_file(const char *directory, struct buf *text)
{
    int rc = small_file_read(directory, SETTINGS_FILE, FILE_MAX, text);

    if (rc == -ENOENT)
        log_error("the index in %s has never run, or before there was a file " SETTINGS_FILE
                  " in it, which says what its volumes are: start mkv index once",
                  directory);
    else if (rc < 0)
        log_error("cannot read %s/" SETTINGS_FILE ": %s", directory, strerror(-rc));
    return rc;
}

int settings_read(const char *directory, struct settings *settings)
{
    struct buf text = {0};
    struct settings read = {.replicas = 0};
    char problem[SETTINGS_TEXT_MAX];
    const char *bad = NULL;
    int rc = read_file(directory, &text);

    if (rc == 0)
        bad = settings_parse(buf_bytes(&text), buf_size(&text), &read, problem);
    buf_deinit(&text);
    if (bad != NULL) {
        log_error("cannot use %s/" SETTINGS_FILE ", %s; mkv index writes it anew", directory, bad);
        rc = -EINVAL;
    }
    if (rc == 0)
        *settings = read;
    else
        settings_deinit(&read);
    return rc;
}

int settings_read_last(const char *directory, struct settings *settings)
{
    struct buf text = {0};
    char problem[SETTINGS_TEXT_MAX];
    int rc = small_file_read(directory, SETTINGS_FILE, FILE_MAX, &text);

    if (rc == 0 && settings_parse(buf_bytes(&text), buf_size(&text), settings, problem) != NULL)
        rc = -EINVAL;
    buf_deinit(&text);
    return rc;
}

char *settings_last_store(const char *directory)
{
    struct settings last = {.store_uri = NULL};
    char *uri = NULL;

    if (settings_read_last(directory, &last) == 0 && last.store_uri != NULL) {
        uri = (char *)last.store_uri;
        last.store_uri = NULL;
    }
    settings_deinit(&last);
    return uri;
}

int settings_refuse_last_store(const char *directory)
{
    char *uri = settings_last_store(directory);

    if (uri == NULL)
        return 0;
    log_error("the index in %s keeps its keys in the database %s: name that with --store, or give "
              "another --index",
              directory, uri);
    free(uri);
    return -EINVAL;
}

static bool has_table(const char *directory)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;
    bool has = false;

    if (dir == NULL)
        return false;
    while (!has && (entry = readdir(dir)) != NULL)
        has = strcmp(entry->d_name, "index.gdbm") == 0 ||
              strncmp(entry->d_name, "journal.", strlen("journal.")) == 0;
    closedir(dir);
    return has;
}

int settings_refuse_own_table(const char *directory)
{
    char *uri = settings_last_store(directory);
    struct store_stats stats = {.keys = 0};
    struct store *store = NULL;
    int rc = 0;

    if (uri == NULL && has_table(directory))
        rc = gdbm_engine_open_reader(directory, &store);
    free(uri);
    if (store == NULL)
        return rc;
    store_stats(store, &stats);
    gdbm_engine_close_reader(store);
    if (stats.keys + stats.unlinked == 0)
        return 0;
    log_error("the index in %s has %llu keys, which aren't in the database of --store: mkv dump "
              "--index %s | mkv restore --store URI puts them there; then give another --index, or "
              "remove index.gdbm and journal.* from this one",
              directory, (unsigned long long)(stats.keys + stats.unlinked), directory);
    return -EINVAL;
}
