/* Any bytes as a file of secrets: what is taken signs, and no message holds a piece of a secret.
 * And as a line of nginx's log, in which tickets are to be hidden: no byte else is changed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/access/ticket.h"
#include "launcher/nginx/nginx_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void sign_by(const struct secrets *secrets)
{
    char ticket[TICKET_SIZE];
    struct ticket_key key;

    for (size_t i = 0; i < secrets->n; i++) {
        ticket_key_derive(&secrets->items[i], "identity", &key);
        ticket_write(&key, "GET", "/path", 5, 1795841398, ticket);
        if (strlen(ticket) >= TICKET_SIZE || memcmp(ticket, secrets->items[i].id, 8) != 0)
            abort();
    }
}

static void redact(const char *text, size_t size)
{
    char *out = malloc(size > 0 ? size : 1);

    if (out == NULL)
        return;
    nginx_log_redact(text, size, out);
    for (size_t i = 0; i < size; i++) {
        if (out[i] != text[i] && out[i] != '*')
            abort();
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct secrets secrets = {.n = 0};
    char why[SECRET_WHY_SIZE] = "";
    char *text = malloc(size > 0 ? size : 1); /* not a byte more: the sanitizer watches the rest */

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    if (secrets_parse(text, size, "FILE", &secrets, why) == 0)
        sign_by(&secrets);
    else if (secrets.n != 0 || why[0] == '\0' || strlen(why) > 100)
        abort();
    redact(text, size);
    secrets_deinit(&secrets);
    free(text);
    return 0;
}
