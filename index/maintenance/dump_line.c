#include "index/maintenance/dump_line.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/hex.h"
#include "index/base/json.h"
#include "index/base/percent.h"
#include "index/base/volume_name.h"
#include "index/cluster/transfer.h"
#include "index/objects/note.h"

#define FORMAT  "mkv-dump"
#define VERSION 2

#define NO_VOLUME                                                                                  \
    "has a volume that is no HOST:PORT, alone or with \" IDENTITY\" and \"/svXX\" behind"

/* The first that is none: of the year 10000. */
#define GENERATION_END (253402300800000ULL << 16)

/* What JSON readers, ours too, take for an integer. */
#define NUMBER_MAX INT64_MAX

void dump_count(struct dump_counts *counts, const struct record *record)
{
    if (record->flags & RECORD_UNLINKED)
        counts->unlinked++;
    else
        counts->keys++;
}

/* --- Writing --------------------------------------------------------------------------------- */

/* As transfers take it from a volume. */
static bool is_identity(const char *text)
{
    return *text != '\0' && text[strspn(text, TRANSFER_VOLUME_ID_CHARS)] == '\0';
}

static bool is_volume_name(const char *name)
{
    char host[DUMP_VOLUME_MAX + 1];
    size_t n = strcspn(name, " ");
    struct address address;

    if (strlen(name) > DUMP_VOLUME_MAX || (name[n] == ' ' && !is_identity(name + n + 1)))
        return false;
    memcpy(host, name, n);
    host[n] = '\0';
    return volume_name_parse(host, &address) == 0;
}

int dump_append_header(struct buf *out)
{
    return buf_append_format(out, "{\"format\":\"" FORMAT "\",\"version\":%d}\n", VERSION);
}

int dump_append_end(struct buf *out, const struct dump_counts *counts)
{
    return buf_append_format(out,
                             "{\"end\":true,\"keys\":%" PRIu64 ",\"unlinked\":%" PRIu64
                             ",\"orphans\":%" PRIu64 "}\n",
                             counts->keys, counts->unlinked, counts->orphans);
}

static int append_md5(struct buf *out, const struct record *record)
{
    char text[2 * RECORD_MD5_SIZE + 1];

    if (!(record->flags & RECORD_MD5))
        return 0;
    hex_write(record->md5, RECORD_MD5_SIZE, text);
    return buf_append_format(out, ",\"md5\":\"%s\"", text);
}

static int append_meta(struct buf *out, const struct record *record)
{
    int rc;

    if (record->meta_len == 0)
        return 0;
    if (!note_meta_is_valid(record->meta, record->meta_len))
        return -EINVAL;
    rc = buf_append_string(out, ",\"meta\":");
    return rc == 0 ? json_append_bytes(out, record->meta, record->meta_len) : rc;
}

/* Where it says something; in the form that names of blobs have. */
static int append_generation(struct buf *out, uint64_t generation)
{
    if (generation == 0)
        return 0;
    if (generation >= GENERATION_END)
        return -EINVAL;
    return buf_append_format(out, ",\"generation\":\"%016" PRIx64 "\"", generation);
}

static int append_places(struct buf *out, const struct place *places, unsigned n,
                         const char *const *volumes)
{
    int rc = buf_append_string(out, ",\"volumes\":[");

    for (unsigned i = 0; i < n && rc == 0; i++) {
        const struct place *place = &places[i];
        const char *comma = i > 0 ? "," : "";

        if (!is_volume_name(volumes[i]))
            return -EINVAL;
        if (place->has_subvolume)
            rc = buf_append_format(out, "%s\"%s/sv%02" PRIX32 "\"", comma, volumes[i],
                                   place->subvolume);
        else
            rc = buf_append_format(out, "%s\"%s\"", comma, volumes[i]);
    }
    return rc == 0 ? buf_append_string(out, "]}\n") : rc;
}

int dump_append_record(struct buf *out, const void *key, size_t len, const struct record *record,
                       const char *const *volumes)
{
    int rc;

    if (record->size > NUMBER_MAX)
        return -EINVAL;
    rc = buf_append_string(out, "{\"key\":");
    if (rc == 0)
        rc = json_append_bytes(out, key, len);
    if (rc == 0)
        rc = buf_append_format(out, ",\"size\":%" PRIu64 ",\"time\":%" PRId64, record->size,
                               (int64_t)record->time);
    if (rc == 0)
        rc = append_generation(out, record->generation);
    if (rc == 0 && (record->flags & RECORD_UNLINKED))
        rc = buf_append_string(out, ",\"unlinked\":true");
    if (rc == 0)
        rc = append_md5(out, record);
    if (rc == 0)
        rc = append_meta(out, record);
    return rc == 0 ? append_places(out, record->places, record->n_places, volumes) : rc;
}

int dump_append_orphan(struct buf *out, const void *key, size_t len, uint64_t generation,
                       const struct orphan *orphan, const char *const *volumes)
{
    int rc = buf_append_string(out, "{\"orphan\":");

    if (rc == 0)
        rc = json_append_bytes(out, key, len);
    if (rc == 0)
        rc = append_generation(out, generation);
    if (rc == 0 && orphan->time != 0)
        rc = buf_append_format(out, ",\"time\":%" PRId64, (int64_t)orphan->time);
    if (rc == 0 && orphan->until != 0)
        rc = buf_append_format(out, ",\"until\":%" PRId64, (int64_t)orphan->until);
    return rc == 0 ? append_places(out, orphan->places, orphan->n_places, volumes) : rc;
}

/* --- Reading --------------------------------------------------------------------------------- */

/* A JSON object, of which `taken` fields have been looked at. */
struct fields {
    json_t *object;
    size_t taken;
};

/* The value, borrowed, or NULL. */
static json_t *take(struct fields *fields, const char *name)
{
    json_t *value = json_object_get(fields->object, name);

    fields->taken += value != NULL;
    return value;
}

static bool take_time(struct fields *fields, const char *name, uint64_t *time)
{
    const json_t *value = take(fields, name);

    if (!json_is_integer(value))
        return false;
    *time = (uint64_t)json_integer_value(value);
    return true;
}

static bool take_number(struct fields *fields, const char *name, uint64_t *number)
{
    const json_t *value = take(fields, name);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *number = (uint64_t)json_integer_value(value);
    return true;
}

static const char *parse_plain_key(const json_t *value, struct key *key)
{
    const char *bytes = json_string_value(value);
    size_t len = json_string_length(value);

    if (len < 2 || len > KEY_MAX || bytes[0] != '/')
        return "has a key that doesn't begin with '/', is empty, or is too long";
    key->len = len;
    memcpy(key->bytes, bytes, len);
    return NULL;
}

static const char *parse_key(const json_t *value, struct key *key)
{
    const json_t *percent = json_object_get(value, "percent");

    if (json_is_string(value))
        return parse_plain_key(value, key);
    if (!json_is_string(percent) || json_object_size(value) != 1)
        return "has a key that is neither a string nor {\"percent\":\"...\"}";
    if (key_decode_any(json_string_value(percent), json_string_length(percent), key) != NULL)
        return "has a percent-encoded key that is none";
    return NULL;
}

/* "host:port identity/svXX": cuts the end off `name`. As it is written, and not otherwise. */
static bool parse_subvolume(char *name, struct place *place)
{
    char *slash = strchr(name, '/');
    char again[16];

    place->has_subvolume = slash != NULL;
    if (slash == NULL)
        return true;
    if (strncmp(slash, "/sv", 3) != 0)
        return false;
    place->subvolume = (uint32_t)strtoul(slash + 3, NULL, 16);
    snprintf(again, sizeof(again), "/sv%02" PRIX32, place->subvolume);
    if (strcmp(slash, again) != 0)
        return false;
    *slash = '\0';
    return true;
}

static const char *parse_volume(const json_t *value, unsigned i, struct place *place,
                                struct dump_line *line)
{
    char name[DUMP_VOLUME_MAX + 16];

    if (!json_is_string(value) || json_string_length(value) >= sizeof(name))
        return NO_VOLUME;
    strcpy(name, json_string_value(value));
    if (!parse_subvolume(name, place) || !is_volume_name(name))
        return NO_VOLUME;
    place->volume = i;
    strcpy(line->volumes[i], name);
    return NULL;
}

static const char *parse_volumes(const json_t *values, unsigned max, struct place *places,
                                 unsigned *n_places, struct dump_line *line)
{
    size_t n = json_array_size(values);
    const char *problem = NULL;

    if (n < 1 || n > max)
        return max == PLACES_MAX ? "has no list of 1 to 16 volumes"
                                 : "has no list of 1 to 32 volumes";
    *n_places = (unsigned)n;
    for (unsigned i = 0; i < n && problem == NULL; i++)
        problem = parse_volume(json_array_get(values, i), i, &places[i], line);
    return problem;
}

/* As append_generation() writes it: a number whose time is before the year 10000. */
static const char *parse_generation(struct fields *fields, uint64_t *generation)
{
    const json_t *value = take(fields, "generation");
    unsigned char bytes[8];

    *generation = 0;
    if (value == NULL)
        return NULL;
    if (!json_is_string(value) || !hex_read(json_string_value(value), bytes, sizeof(bytes)))
        return "has a \"generation\" that isn't 16 lower-case hexadecimal digits";
    for (size_t i = 0; i < sizeof(bytes); i++)
        *generation = *generation << 8 | bytes[i];
    return *generation > 0 && *generation < GENERATION_END
               ? NULL
               : "has a \"generation\" that none can be";
}

static bool decode_percent(const char *text, size_t len, struct record *record)
{
    for (size_t i = 0; i < len; i++) {
        bool is_escaped = text[i] == '%';
        int byte = is_escaped ? percent_byte(text + i, len - i) : (unsigned char)text[i];

        if (byte < 0 || record->meta_len == RECORD_META_MAX)
            return false;
        record->meta[record->meta_len++] = (char)byte;
        i += is_escaped ? 2 : 0;
    }
    return true;
}

static bool read_meta(const json_t *value, struct record *record)
{
    const json_t *percent = json_object_get(value, "percent");
    size_t len = json_string_length(value);

    if (json_is_string(percent) && json_object_size(value) == 1)
        return decode_percent(json_string_value(percent), json_string_length(percent), record);
    if (!json_is_string(value) || len > RECORD_META_MAX)
        return false;
    memcpy(record->meta, json_string_value(value), len);
    record->meta_len = (unsigned)len;
    return true;
}

static const char *parse_meta(struct fields *fields, struct record *record)
{
    const json_t *value = take(fields, "meta");

    if (value == NULL)
        return NULL;
    if (!read_meta(value, record) || record->meta_len == 0 ||
        !note_meta_is_valid(record->meta, record->meta_len))
        return "has a \"meta\" that is no lines NAME=VALUE, of 2,900 bytes at most";
    return NULL;
}

static const char *parse_flags(struct fields *fields, struct record *record)
{
    const json_t *unlinked = take(fields, "unlinked");
    const json_t *md5 = take(fields, "md5");

    if (unlinked != NULL && !json_is_true(unlinked))
        return "has an \"unlinked\" that isn't true";
    if (unlinked != NULL)
        record->flags |= RECORD_UNLINKED;
    if (md5 == NULL)
        return NULL;
    if (!json_is_string(md5) || !hex_read(json_string_value(md5), record->md5, RECORD_MD5_SIZE))
        return "has an \"md5\" that isn't 32 lower-case hexadecimal digits";
    record->flags |= RECORD_MD5;
    return NULL;
}

static const char *parse_record(struct fields *fields, struct dump_line *line)
{
    struct record *record = &line->record;
    const char *problem = parse_key(take(fields, "key"), &line->key);

    if (problem == NULL && !take_number(fields, "size", &record->size))
        problem = "has no \"size\" that is a number of bytes";
    if (problem == NULL && !take_time(fields, "time", &record->time))
        problem = "has no \"time\" that is a number of milliseconds";
    if (problem == NULL)
        problem = parse_generation(fields, &record->generation);
    if (problem == NULL)
        problem = parse_flags(fields, record);
    if (problem == NULL)
        problem = parse_meta(fields, record);
    if (problem != NULL)
        return problem;
    return parse_volumes(take(fields, "volumes"), PLACES_MAX, record->places, &record->n_places,
                         line);
}

/* In version 1 it has a record's fields, of which only the time says something. */
static const char *parse_orphan(struct fields *fields, struct dump_line *line)
{
    static const char *const old[] = {"size", "unlinked", "md5"};
    struct orphan *orphan = &line->orphan;
    const char *problem = parse_key(take(fields, "orphan"), &line->key);

    for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
        take(fields, old[i]);
    if (problem == NULL)
        problem = parse_generation(fields, &line->generation);
    if (problem == NULL && json_object_get(fields->object, "time") != NULL &&
        !take_time(fields, "time", &orphan->time))
        problem = "has a \"time\" that is no number of milliseconds";
    if (problem == NULL && json_object_get(fields->object, "until") != NULL &&
        !take_time(fields, "until", &orphan->until))
        problem = "has an \"until\" that is no number of milliseconds";
    if (problem != NULL)
        return problem;
    return parse_volumes(take(fields, "volumes"), ORPHAN_PLACES_MAX, orphan->places,
                         &orphan->n_places, line);
}

static const char *parse_header(struct fields *fields)
{
    const char *format = json_string_value(take(fields, "format"));
    uint64_t version;

    if (format == NULL || strcmp(format, FORMAT) != 0)
        return "is of another format than " FORMAT;
    if (!take_number(fields, "version", &version) || version < 1)
        return "lacks the version of the format";
    return version <= VERSION ? NULL : "says that a newer mkv made this dump: use that one";
}

static const char *parse_end(struct fields *fields, struct dump_counts *counts)
{
    const json_t *end = take(fields, "end");

    if (!json_is_true(end) || !take_number(fields, "keys", &counts->keys) ||
        !take_number(fields, "unlinked", &counts->unlinked) ||
        !take_number(fields, "orphans", &counts->orphans))
        return "lacks the counts of keys, unlinked ones and orphans";
    return NULL;
}

static const char *parse_object(struct fields *fields, struct dump_line *line)
{
    static const char *const names[] = {
        [DUMP_HEADER] = "format", [DUMP_KEY] = "key", [DUMP_ORPHAN] = "orphan", [DUMP_END] = "end"};
    unsigned kind = DUMP_HEADER;

    while (kind <= DUMP_END && json_object_get(fields->object, names[kind]) == NULL)
        kind++;
    if (kind > DUMP_END)
        return "is none of a dump's";
    line->kind = kind;
    if (kind == DUMP_HEADER)
        return parse_header(fields);
    if (kind == DUMP_END)
        return parse_end(fields, &line->counts);
    return kind == DUMP_KEY ? parse_record(fields, line) : parse_orphan(fields, line);
}

const char *dump_line_parse(const char *text, size_t len, struct dump_line *line)
{
    struct fields fields = {.object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL)};
    const char *problem = NULL;

    if (!json_is_object(fields.object))
        problem = "is no JSON object";
    memset(line, 0, offsetof(struct dump_line, volumes));
    if (problem == NULL)
        problem = parse_object(&fields, line);
    if (problem == NULL && fields.taken != json_object_size(fields.object))
        problem = "has a field too many";
    json_decref(fields.object);
    return problem;
}

/* --- All of them ----------------------------------------------------------------------------- */

static const char *check_end(struct dump_reader *r, const struct dump_counts *counts)
{
    if (counts->keys != r->counts.keys || counts->unlinked != r->counts.unlinked ||
        counts->orphans != r->counts.orphans)
        return "counts other keys than there are: lines are missing or too many";
    r->ended = true;
    return NULL;
}

const char *dump_read_line(struct dump_reader *r, const char *text, size_t len,
                           struct dump_line *line)
{
    const char *problem =
        r->ended ? "comes after the end of the dump" : dump_line_parse(text, len, line);

    if (problem == NULL && r->begun == (line->kind == DUMP_HEADER))
        problem = r->begun ? "is a second header" : "is no header: this is no dump";
    if (problem != NULL)
        return problem;
    r->begun = true;
    if (line->kind == DUMP_KEY)
        dump_count(&r->counts, &line->record);
    else if (line->kind == DUMP_ORPHAN)
        r->counts.orphans++;
    return line->kind == DUMP_END ? check_end(r, &line->counts) : NULL;
}
