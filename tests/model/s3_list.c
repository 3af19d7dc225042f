#include "tests/model/s3_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_MAX 256 /* characters */

/* A page of a list: what it shows of the keys that come after `after`, up to `last`. */
struct page {
    double start;
    double end;
    char after[16]; /* "": from the first key */
    char last[16];  /* "": to the last key */
    bool shows[S3_KEYS_MAX];
    unsigned versions[S3_KEYS_MAX]; /* of those that it shows */
};

static const char *name_of(const struct shared_key *key)
{
    return key->key.path + sizeof(S3_BUCKET "/") - 1;
}

/* Copies the text of the first such element; false when there is none, or it doesn't fit. */
static bool read_element(const char *xml, const char *name, char *text, size_t room)
{
    char tag[32];
    const char *at;
    size_t n;

    snprintf(tag, sizeof(tag), "<%s>", name);
    at = strstr(xml, tag);
    if (at == NULL)
        return false;
    at += strlen(tag);
    n = strcspn(at, "<");
    if (n >= room)
        return false;
    memcpy(text, at, n);
    text[n] = '\0';
    return true;
}

/* Reads an entry: the number of its key, or -1 when it can't be right. */
static int read_entry(struct s3_client *s3, const struct shared_key *keys, unsigned n_keys,
                      const char *entry, unsigned *version)
{
    char key[16];
    char quoted[64];
    char size[16];
    char etag[S3_ETAG_SIZE];
    unsigned number;

    if (!read_element(entry, "Key", key, sizeof(key)) ||
        !read_element(entry, "ETag", quoted, sizeof(quoted)) ||
        !read_element(entry, "Size", size, sizeof(size)))
        return -1;
    number = (unsigned)atoi(key);
    if (number >= n_keys || strcmp(key, name_of(&keys[number])) != 0)
        return -1;
    snprintf(etag, sizeof(etag), "\"%.*s\"", (int)strcspn(quoted + 6, "&"), quoted + 6);
    *version = s3_key_version(s3, &keys[number], etag, strtoul(size, NULL, 10));
    return *version == 0 ? -1 : (int)number;
}

/* Keeps what the page says of each of its keys. */
static void keep(const struct page *page, struct shared_key *keys, unsigned n_keys)
{
    for (unsigned i = 0; i < n_keys; i++) {
        const char *name = name_of(&keys[i]);
        struct history_op op = {
            .start = page->start,
            .end = page->end,
            .effect = HISTORY_READS,
            .needs = page->shows[i] ? HISTORY_PRESENT : HISTORY_ABSENT,
            .version = page->shows[i] ? page->versions[i] : 0,
        };

        if (strcmp(name, page->after) > 0 && (!*page->last || strcmp(name, page->last) <= 0))
            history_add(&keys[i].history, &op);
    }
}

/* Reads the answer. False when it isn't right. */
static bool read_page(struct s3_client *s3, const struct shared_key *keys, unsigned n_keys,
                      struct page *page, char token[TOKEN_MAX])
{
    const char *body = s3->client.wire.answer.body;
    const char *entry = body;
    const char *last = page->after;
    char truncated[8];

    while ((entry = strstr(entry, "<Contents>")) != NULL) {
        unsigned version;
        int number = read_entry(s3, keys, n_keys, entry, &version);

        if (number < 0 || strcmp(name_of(&keys[number]), last) <= 0)
            return false;
        page->shows[number] = true;
        page->versions[number] = version;
        last = name_of(&keys[number]);
        entry++;
    }
    token[0] = '\0';
    if (!read_element(body, "IsTruncated", truncated, sizeof(truncated)))
        return false;
    if (strcmp(truncated, "true") != 0)
        return true;
    snprintf(page->last, sizeof(page->last), "%s", last);
    return read_element(body, "NextContinuationToken", token, TOKEN_MAX);
}

/* Asks for the page after page->after, where `token` goes on. False when the list ends with it, or
 * with a failure. */
static bool list_page(struct s3_client *s3, struct shared_key *keys, unsigned n_keys,
                      struct page *page, char token[TOKEN_MAX])
{
    char query[64 + TOKEN_MAX];
    int status;

    s3_tally.pages++;
    s3->headers[0] = '\0';
    snprintf(query, sizeof(query), "?list-type=2&max-keys=%u&continuation-token=%s",
             1 + rng_below(&s3->client.rng, n_keys + 1), token);
    page->start = client_now();
    status = s3_ask(s3, S3_BUCKET, "GET", query, NULL, 0);
    page->end = client_now();
    if (s3_has_failed(status)) {
        tally.reread++;
        return false;
    }
    if (status == 404) { /* it has no key */
        token[0] = '\0';
    } else if (status != 200 || !read_page(s3, keys, n_keys, page, token)) {
        client_complain(&s3->client, &keys[0].key, "a list that can't be");
        printf("%s\n", s3->client.wire.answer.body);
        return false;
    }
    keep(page, keys, n_keys);
    return *token;
}

void s3_list(struct s3_client *s3, struct shared_key *keys, unsigned n_keys)
{
    struct page page = {.start = 0};
    char token[TOKEN_MAX] = "";

    while (list_page(s3, keys, n_keys, &page, token)) {
        struct page next = {.start = 0};

        snprintf(next.after, sizeof(next.after), "%s", page.last);
        page = next;
    }
}
