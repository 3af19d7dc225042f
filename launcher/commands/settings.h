/* What an index was last run with, as far as others than it have to know: a text file in its
 * directory, for commands that work on the files of an index that doesn't run.
 *
 *     mkv-settings 1
 *     replicas 2
 *     subvolumes 1
 *     grace_ms 60000
 *     sync 1
 *     md5 1
 *     store postgresql://mkv@db1,db2/mkv
 *     secret_file /etc/mkv/secret
 *     tls_ca /etc/mkv/ca.crt
 *     volume disk1:3001 zone=cellar weight=200
 *
 * The first line is the format and its version. Each of the others stands there once, in any order,
 * and `volume` once for each. store, secret_file, tls_ca, tls_cert and tls_key stand there only
 * where they were given. */
#ifndef MKV_LAUNCHER_SETTINGS_H
#define MKV_LAUNCHER_SETTINGS_H

#include "index/base/buf.h"
#include "index/base/tls_files.h"
#include "launcher/commands/volume_list.h"

#define SETTINGS_FILE     "settings" /* in the index directory */
#define SETTINGS_TEXT_MAX (VOLUME_LIST_TEXT_MAX + 64)

struct index_server_options; /* index/server.h */

/* All zero is empty. */
struct settings {
    struct volume_list volumes;
    unsigned replicas;
    unsigned subvolumes;
    unsigned grace_ms;
    bool sync;
    bool md5;
    const char *store_uri;   /* or NULL: the store is in the directory; owned */
    const char *secret_file; /* likewise */
    struct tls_paths tls;    /* what volumes are asked with; owned */
};

void settings_deinit(struct settings *settings);

/* Writes the file, durably, for the server's options and volumes. 0, or -errno after a log line: an
 * index runs without it. Blocks. */
int settings_write(const char *directory, const struct index_server_options *options,
                   const struct volume_entry *volumes, size_t n_volumes);

/* Reads it. 0; or -errno after a log line that says what is wrong, and in which line. */
int settings_read(const char *directory, struct settings *settings);

/* The same without a word, of a file that may be missing. */
int settings_read_last(const char *directory, struct settings *settings);

/* The URI of the database that the index was last run with, the caller's to free; NULL where its
 * keys are in `directory`, also where nothing says so. */
char *settings_last_store(const char *directory);

/* 0; or -EINVAL after a log line where a database has the keys: what is made in the directory
 * would be no index's. */
int settings_refuse_last_store(const char *directory);

/* The other way round: 0; or negative after a log line where the directory has keys of an index
 * that was run without a database. With one it would have none of them. */
int settings_refuse_own_table(const char *directory);

/* The two for bytes. NULL, or what is wrong, in `problem`. */
int settings_append(struct buf *out, const struct index_server_options *options,
                    const struct volume_entry *volumes, size_t n_volumes);
const char *settings_parse(const char *bytes, size_t len, struct settings *settings,
                           char problem[SETTINGS_TEXT_MAX]);

#endif
