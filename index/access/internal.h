/* What the files of this room share. */
#ifndef MKV_ACCESS_INTERNAL_H
#define MKV_ACCESS_INTERNAL_H

#include "index/access/access.h"
#include "index/access/keys.h"
#include "index/access/params.h"
#include "index/base/buf.h"
#include "index/base/sha256.h"

/* --- Identities ------------------------------------------------------------------------------ */

#define SIGNING_KEYS 4 /* kept of each identity */

/* What a secret becomes for a day, a region and a service: sigv4.c. */
struct signing_key {
    char day[9]; /* "20130524"; "" where there is none */
    char region[ACCESS_REGION_MAX + 1];
    enum access_service service;
    unsigned char key[SHA256_SIZE];
};

struct identity {
    const char *access; /* borrowed from the text of the file, as are the next ones */
    const char *secret;
    const struct grant *grants;
    size_t n_grants;
    unsigned line;
    struct signing_key signing_keys[SIGNING_KEYS]; /* the one used last comes first */
};

/* Who has this access key; else *known is false, and it is somebody who has a secret that nobody
 * knows, so that a signature takes as long to find wrong. */
struct identity *keys_find(struct keys *keys, const char *access, bool *known);

/* --- Requests -------------------------------------------------------------------------------- */

/* The first header of that name, or NULL. */
const char *access_header(const struct access_request *request, const char *name);

/* Appends the values of all headers of that name, joined by commas, each without white space around
 * it, and with one space where `collapse` and there is more. 0; -ENOENT when there are none, or
 * -ENOMEM. */
int access_append_header(const struct access_request *request, const char *name, bool collapse,
                         struct buf *out);

/* Whether both are those signatures, in a time that doesn't tell where they differ. */
bool access_same(const char *a, const char *b);

/* Whether `list`, names separated by ';', may be one of signed headers: not more than a request can
 * have, and none twice. Else few bytes would make us write many. */
bool canonical_is_list(const char *list);

/* Whether `list`, names separated by ';', has Host and each x-amz-... header that was sent. */
bool canonical_signs_enough(const struct access_request *request, const char *list);

/* In which a client may write the canonical request, or'ed. */
enum canonical_form {
    CANONICAL_COLLAPSED = 1, /* one space stands for several in a header */
    CANONICAL_ENCODED = 2,   /* the path is percent-encoded once more than it was sent */
};

/* Appends the canonical request of version 4. 0 or -ENOMEM. */
int canonical_append(const struct access_request *request, const struct params *params,
                     const char *list, const char *payload, unsigned form, struct buf *out);

/* The SHA-256 of no bytes. */
#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* --- The forms of a signature, each given the request's parameters --------------------------- */

enum access_result sigv4_header(struct keys *keys, const struct access_request *request,
                                const struct params *params, const char *authorization,
                                struct access_auth *auth);
enum access_result sigv4_query(struct keys *keys, const struct access_request *request,
                               const struct params *params, struct access_auth *auth);
enum access_result sigv2_header(struct keys *keys, const struct access_request *request,
                                const struct params *params, const char *authorization,
                                struct access_auth *auth);
enum access_result sigv2_query(struct keys *keys, const struct access_request *request,
                               const struct params *params, struct access_auth *auth);

/* What follows the scheme's name in Authorization. */
enum access_result plain_basic(struct keys *keys, const char *word, struct access_auth *auth);
enum access_result plain_bearer(struct keys *keys, const char *word, struct access_auth *auth);

#endif
