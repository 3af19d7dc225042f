/* The header Host of a request to an admin port: what counts as no domain has none of the letters
 * that a domain of a stranger's would need, but for localhost. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/base/address.h"
#include "tests/support/text_copy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char local[] = "localhost";
    char *text = text_copy((const char *)data, size);
    const char *rest = text;
    const char *allowed = *text == '[' ? "0123456789abcdefABCDEF.:[]" : "0123456789.:";

    if (strncasecmp(text, local, sizeof(local) - 1) == 0)
        rest += sizeof(local) - 1;
    if (address_is_no_domain(text) && (*text == '\0' || rest[strspn(rest, allowed)] != '\0'))
        abort();
    free(text);
    return 0;
}
