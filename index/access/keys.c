/* keys_read() reads all of the file into one block, and cuts that block into words in place:
 * secrets are in memory once, where keys_release() wipes them. */
#include "index/access/keys.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/access/internal.h"
#include "index/base/hex.h"
#include "index/base/private_file.h"

#define ACCESS_MIN 3
#define SECRET_MIN 8
#define LINE_MIN   (ACCESS_MIN + 1 + SECRET_MIN + 1 + 3)
#define WHITE      " \t\r"

struct keys {
    unsigned holds;
    struct buf text;      /* the file, words ended by NUL */
    struct grant *grants; /* of all identities, one after the other */
    size_t n_grants;
    struct identity *identities; /* those with a secret, sorted by access key */
    size_t n;
    struct identity anonymous;
    struct identity stranger; /* whoever has an access key that nobody has */
    char stranger_secret[SHA256_HEX_SIZE];
};

/* --- Using them ------------------------------------------------------------------------------ */

struct keys *keys_hold(struct keys *keys)
{
    keys->holds++;
    return keys;
}

void keys_release(struct keys *keys)
{
    if (keys == NULL || --keys->holds > 0)
        return;
    private_file_wipe(&keys->text);
    if (keys->identities != NULL)
        OPENSSL_cleanse(keys->identities, keys->n * sizeof(keys->identities[0]));
    free(keys->grants);
    free(keys->identities);
    OPENSSL_cleanse(keys, sizeof(*keys));
    free(keys);
}

size_t keys_count(const struct keys *keys)
{
    return keys->n;
}

const struct identity *keys_anonymous(const struct keys *keys)
{
    return &keys->anonymous;
}

static int compare_to_name(const void *name, const void *identity)
{
    return strcmp(name, ((const struct identity *)identity)->access);
}

struct identity *keys_find(struct keys *keys, const char *access, bool *known)
{
    struct identity *found = NULL;

    if (keys->n > 0)
        found = bsearch(access, keys->identities, keys->n, sizeof(*found), compare_to_name);
    *known = found != NULL;
    return found != NULL ? found : &keys->stranger;
}

bool access_may(const struct identity *who, enum access_right right, const char *bucket,
                const char *key, size_t key_len)
{
    for (size_t i = 0; i < who->n_grants; i++) {
        if (grant_allows(&who->grants[i], right, bucket, key, key_len))
            return true;
    }
    return false;
}

bool access_may_path(const struct identity *who, enum access_right right, const char *path,
                     size_t len)
{
    for (size_t i = 0; i < who->n_grants; i++) {
        if (grant_allows_path(&who->grants[i], right, path, len))
            return true;
    }
    return false;
}

/* Whether one of these rights is granted to anything in the bucket. */
static bool has_any(const struct identity *who, unsigned rights, const char *bucket)
{
    for (size_t i = 0; i < who->n_grants; i++) {
        const struct grant *grant = &who->grants[i];

        if ((grant->rights & rights) != 0 && grant_touches(grant, bucket))
            return true;
    }
    return false;
}

bool access_may_somewhere(const struct identity *who, enum access_right right, const char *bucket)
{
    return has_any(who, right, bucket);
}

bool access_may_see(const struct identity *who, const char *bucket)
{
    return has_any(who, ACCESS_READ | ACCESS_WRITE | ACCESS_BUCKETS, bucket);
}

bool access_may_administer(const struct identity *who)
{
    for (size_t i = 0; i < who->n_grants; i++) {
        if ((who->grants[i].rights & ACCESS_ADMIN) != 0)
            return true;
    }
    return false;
}

/* --- Lines ----------------------------------------------------------------------------------- */

/* Cuts the next word off, and ends it with a NUL; NULL when there is none. */
static char *next_word(char **at)
{
    char *word = *at + strspn(*at, WHITE);
    char *end = word + strcspn(word, WHITE);

    if (*word == '\0')
        return NULL;
    *at = *end != '\0' ? end + 1 : end;
    *end = '\0';
    return word;
}

/* As next_word(), but for those of a comment. */
static char *next_grant(char **at)
{
    char *word = next_word(at);

    return word != NULL && *word != '#' ? word : NULL;
}

static bool is_printable(const char *text)
{
    while (*text > ' ' && *text <= '~')
        text++;
    return *text == '\0';
}

static const char *check_access(const char *access)
{
    size_t len = strlen(access);

    if (len < ACCESS_MIN || len > KEYS_ACCESS_MAX)
        return "an access key has 3 to 128 characters";
    if (!is_printable(access) || strpbrk(access, "/,:;=") != NULL)
        return "an access key is of printable ASCII characters, without / , : ; and =";
    return NULL;
}

static const char *check_secret(const char *secret)
{
    size_t len = secret != NULL ? strlen(secret) : 0;

    if (secret == NULL)
        return "a line is ACCESS SECRET GRANT..., and the secret is missing";
    if (len < SECRET_MIN || len > KEYS_SECRET_MAX)
        return "a secret has 8 to 128 characters";
    return is_printable(secret) ? NULL : "a secret is of printable ASCII characters";
}

static const char *parse_grants(struct keys *keys, char *at, struct identity *who)
{
    char *word;

    who->grants = keys->grants + keys->n_grants;
    while ((word = next_grant(&at)) != NULL) {
        const char *wrong = grant_parse(word, &keys->grants[keys->n_grants]);

        if (wrong != NULL)
            return wrong;
        keys->n_grants++;
        who->n_grants++;
    }
    return who->n_grants > 0 ? NULL : "there is no grant, such as r:BUCKET";
}

static const char *parse_anonymous(struct keys *keys, char *at, unsigned line)
{
    const char *secret = next_word(&at);

    if (secret == NULL || strcmp(secret, "-") != 0)
        return "anonymous is - - GRANT...";
    if (keys->anonymous.line > 0)
        return "anonymous has a line already";
    keys->anonymous.line = line;
    return parse_grants(keys, at, &keys->anonymous);
}

/* NULL, or what is wrong. */
static const char *parse_line(struct keys *keys, char *at, unsigned line)
{
    struct identity *who = &keys->identities[keys->n];
    const char *access = next_word(&at);
    const char *wrong;

    if (access == NULL || *access == '#')
        return NULL;
    if (strcmp(access, "-") == 0)
        return parse_anonymous(keys, at, line);
    who->access = access;
    who->secret = next_word(&at);
    who->line = line;
    wrong = check_access(access);
    if (wrong == NULL)
        wrong = check_secret(who->secret);
    if (wrong == NULL)
        wrong = parse_grants(keys, at, who);
    keys->n += wrong == NULL;
    return wrong;
}

static int compare(const void *a, const void *b)
{
    const struct identity *one = a;
    const struct identity *other = b;
    int order = strcmp(one->access, other->access);

    return order != 0 ? order : (one->line > other->line) - (one->line < other->line);
}

static int find_doubles(const struct keys *keys, const char *path, char why[KEYS_WHY_SIZE])
{
    for (size_t i = 1; i < keys->n; i++) {
        const struct identity *one = &keys->identities[i - 1];
        const struct identity *other = &keys->identities[i];

        if (strcmp(one->access, other->access) != 0)
            continue;
        snprintf(why, KEYS_WHY_SIZE, "%s:%u: line %u has that access key already", path,
                 other->line, one->line);
        return -EINVAL;
    }
    return 0;
}

static int parse_lines(struct keys *keys, const char *path, char why[KEYS_WHY_SIZE])
{
    char *text = keys->text.data + keys->text.head;
    const char *text_end = text + buf_size(&keys->text);
    unsigned number = 0;
    char *end;

    if (memchr(text, '\0', buf_size(&keys->text)) != NULL) {
        snprintf(why, KEYS_WHY_SIZE, "%s: there is a NUL in it", path);
        return -EINVAL;
    }
    for (char *line = text; *line != '\0'; line = end) {
        const char *wrong;

        number++;
        end = memchr(line, '\n', (size_t)(text_end - line));
        if (end != NULL)
            *end++ = '\0';
        else
            end = line + strlen(line);
        wrong = parse_line(keys, line, number);
        if (wrong != NULL) {
            snprintf(why, KEYS_WHY_SIZE, "%s:%u: %s", path, number, wrong);
            return -EINVAL;
        }
    }
    if (keys->n > 0)
        qsort(keys->identities, keys->n, sizeof(keys->identities[0]), compare);
    return find_doubles(keys, path, why);
}

/* --- The file -------------------------------------------------------------------------------- */

static int say(char why[KEYS_WHY_SIZE], const char *path, int rc)
{
    snprintf(why, KEYS_WHY_SIZE, "%s: %s", path, strerror(-rc));
    return rc;
}

/* As many of each as there can be: "abc 12345678 r:d" is the shortest line, and each grant has a
 * colon. One more of each is where the next one is parsed. */
static int make_room(struct keys *keys)
{
    size_t size = buf_size(&keys->text);
    size_t lines = size / LINE_MIN + 1;
    size_t colons = 1;

    for (size_t i = 0; i < size; i++)
        colons += buf_bytes(&keys->text)[i] == ':';
    keys->identities = calloc(lines, sizeof(keys->identities[0]));
    keys->grants = calloc(colons, sizeof(keys->grants[0]));
    return keys->identities != NULL && keys->grants != NULL ? 0 : -ENOMEM;
}

static int read_file(struct keys *keys, const char *path, char why[KEYS_WHY_SIZE])
{
    int rc = private_file_read(path, KEYS_FILE_MAX, &keys->text, why, KEYS_WHY_SIZE);

    if (rc < 0)
        return rc;
    rc = make_room(keys);
    return rc < 0 ? say(why, path, rc) : parse_lines(keys, path, why);
}

/* The two who are in no line. */
static int invent(struct keys *keys)
{
    unsigned char secret[SHA256_SIZE];

    if (RAND_bytes(secret, sizeof(secret)) != 1)
        return -EIO;
    hex_write(secret, sizeof(secret), keys->stranger_secret);
    OPENSSL_cleanse(secret, sizeof(secret));
    keys->stranger.access = "";
    keys->stranger.secret = keys->stranger_secret;
    keys->anonymous.access = "-";
    keys->anonymous.secret = keys->stranger_secret;
    return 0;
}

int keys_read(const char *path, struct keys **keys, char why[KEYS_WHY_SIZE])
{
    struct keys *made = calloc(1, sizeof(*made));
    int rc;

    if (made == NULL)
        return say(why, path, -ENOMEM);
    made->holds = 1;
    rc = invent(made);
    rc = rc < 0 ? say(why, path, rc) : read_file(made, path, why);
    if (rc < 0)
        keys_release(made);
    else
        *keys = made;
    return rc;
}
