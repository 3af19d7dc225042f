/* Any head of a request, of S3 or of the native API: nobody is let in by a secret that isn't the
 * key's, whatever is sent; and who is let in has all that a body is then checked with. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/access/payload.h"
#include "tests/support/access_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char right[] = "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY rwc:*\n";
static const char wrong[] = "AKIAIOSFODNN7EXAMPLE bJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY rwc:*\n";

static void check(const struct access_request *request, const struct access_auth *auth)
{
    struct payload payload;

    if (auth->who == NULL || auth->keys == NULL)
        abort();
    if (auth->scheme == ACCESS_PLAIN &&
        !(request->service == ACCESS_NATIVE && request->is_confidential))
        abort();
    if (auth->scheme == ACCESS_V2 && request->service == ACCESS_NATIVE)
        abort();
    if (auth->scheme == ACCESS_V4 &&
        (strlen(auth->signature) != 64 || strlen(auth->date) != 16 || strlen(auth->scope) < 22))
        abort();
    if (payload_init(&payload, request, auth) == ACCESS_OK) {
        if (payload.is_verified && auth->scheme != ACCESS_V4)
            abort();
        payload_deinit(&payload);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t times[] = {1369353600, 1175024202, 1795780800}; /* of the corpus */
    static struct keys *keys;
    static struct keys *other_keys;
    struct access_auth auth = {0};
    struct access_head head;

    if (keys == NULL) {
        keys = access_keys(right);
        other_keys = access_keys(wrong);
    }
    if (size > 0 && access_head_init(&head, (const char *)data + 1, size - 1, times[data[0] % 3])) {
        head.request.service = data[0] / 3 % 2 == 0 ? ACCESS_S3 : ACCESS_NATIVE;
        head.request.is_confidential = data[0] / 6 % 2 != 0;
        if (access_authenticate(keys, &head.request, &auth) == ACCESS_OK)
            check(&head.request, &auth);
        access_auth_deinit(&auth);
        if (access_authenticate(other_keys, &head.request, &auth) == ACCESS_OK &&
            auth.scheme != ACCESS_ANONYMOUS)
            abort();
        access_auth_deinit(&auth);
    }
    if (size > 0)
        access_head_deinit(&head);
    return 0;
}
