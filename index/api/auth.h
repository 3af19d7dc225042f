/* Who asks by the native API, and whether they may: between `access`, which knows no HTTP, and
 * answers. It comes before anything is looked up, so that who may not learns nothing of keys. */
#ifndef MKV_API_AUTH_H
#define MKV_API_AUTH_H

#include "index/access/access.h"
#include "index/access/payload.h"
#include "index/api/api.h"

/* What a signature in the query consists of, for lists of the parameters that a request may have.
 */
#define AUTH_PARAMETERS                                                                            \
    "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",   \
        "X-Amz-Signature", "X-Amz-Content-Sha256", "X-Amz-Security-Token"

/* Whether the sender may do that to the key, or to all keys that begin so: `len` bytes from the
 * slash on. True, and *auth is the sender, for access_auth_deinit(), and all zero where the API is
 * open. False: answered, and *auth is untouched. */
bool auth_admits(struct api *api, struct http_request *request, enum access_right right,
                 const char *key, size_t len, struct access_auth *auth);

/* Whether the sender of a request to the admin port may see how the index is; `keys` may be NULL,
 * for an open index. False: answered. That port has no front, and takes the word of none for who
 * is near. */
bool auth_admits_admin(struct keys *keys, struct http_request *request);

/* Reads what the head of a PUT announces of its body, by the sender's signature. 0 and *payload,
 * for payload_deinit(), which is never in chunks; or the status to refuse with, and *text. */
int auth_begin_body(struct http_request *request, const struct access_auth *auth,
                    struct payload *payload, const char **text);

/* The status for what is wrong with a request or its body. */
int auth_status(enum access_result result);

#endif
