#include "index/api/put_head.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "index/api/removal.h"
#include "index/api/write_head.h"

/* RFC 1864: the base64 of 16 bytes. False if `text` isn't that. */
static bool decode_md5(const char *text, unsigned char md5[RECORD_MD5_SIZE])
{
    unsigned char bytes[18]; /* EVP_DecodeBlock() writes what the padding stands for, too */

    if (strlen(text) != 24 || text[22] != '=' || text[23] != '=' || strcspn(text, "=") != 22 ||
        EVP_DecodeBlock(bytes, (const unsigned char *)text, 24) != 18)
        return false;
    memcpy(md5, bytes, RECORD_MD5_SIZE);
    return true;
}

/* Two of them would be one too many. */
static int read_md5(struct http_request *request, struct put_head *head, const char **text)
{
    const char *name;
    const char *value;

    head->check_md5 = false;
    for (unsigned i = 0; (value = http_request_header_at(request, i, &name)) != NULL; i++) {
        if (strcasecmp(name, "Content-MD5") != 0)
            continue;
        if (head->check_md5 || !decode_md5(value, head->md5)) {
            *text = "Content-MD5 is not the base64 of an MD5\n";
            return 400;
        }
        head->check_md5 = true;
    }
    return 0;
}

/* The old value is one more when there is a new one. */
static int check_orphans(struct api *api, const struct put_head *head, const char **text)
{
    struct record all = head->orphans;

    if (orphans_add(api->replicas, &all, &head->unlinked))
        return 0;
    *text = ORPHANS_TOO_MANY "\n";
    return 503;
}

static int read_store(struct api *api, const struct http_request *request, const struct key *key,
                      struct put_head *head, const char **text)
{
    int rc = store_get(api->store, STORE_KEYS, key->bytes, key->len, &head->unlinked);
    bool exists = rc == 0 && !(head->unlinked.flags & RECORD_UNLINKED);
    int status = 0;

    if (rc == 0 || rc == UV_ENOENT)
        status = write_head_conditions(request, exists ? &head->unlinked : NULL, text);
    if (status != 0)
        return status;
    if (exists) {
        *text = "the key exists\n";
        return 409;
    }
    if (rc == UV_ENOENT) {
        head->unlinked.n_replicas = 0;
        rc = 0;
    }
    if (rc == 0)
        rc = orphans_get(api, key, &head->orphans);
    if (rc == 0)
        return check_orphans(api, head, text);
    *text = "the index can't be read\n";
    return 500;
}

int put_head_read(struct api *api, struct http_request *request, const struct key *key,
                  struct put_head *head, const char **text)
{
    int status = read_store(api, request, key, head, text);

    if (status != 0)
        return status;
    head->content_length = http_request_content_length(request);
    if (head->content_length == 0) {
        *text = "an empty value can't be stored\n";
        return 411;
    }
    return read_md5(request, head, text);
}
