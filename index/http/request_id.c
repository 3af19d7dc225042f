/* What requests are called. */
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "index/base/clock.h"
#include "index/base/hex.h"
#include "index/http/internal.h"

/* Chance, or the clock where chance isn't to be had. */
static uint64_t random_number(void)
{
    uint64_t number;

    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
        number = clock_now_ms() * 0xd1342543de82ef95;
    return number;
}

static uint64_t process_number(void)
{
    static uint64_t number;

    if (number == 0)
        number = random_number() | 1;
    return number;
}

/* The numbers of one process follow each other, spread over 64 bits by an odd factor, from a start
 * that chance gives. */
static uint64_t next_number(void)
{
    static uint64_t last;

    if (last == 0)
        last = random_number();
    return ++last * 0x9e3779b97f4a7c15;
}

static bool is_id(const char *text)
{
    unsigned char bytes[(HTTP_REQUEST_ID_SIZE - 1) / 2];

    return strlen(text) == HTTP_REQUEST_ID_SIZE - 1 && hex_read(text, bytes, sizeof(bytes));
}

const char *http_request_id(struct http_request *request)
{
    const char *given = http_request_header(request, HTTP_REQUEST_ID_HEADER);
    uint64_t made[2];

    if (request->id[0] == '\0' && given != NULL && is_id(given)) {
        memcpy(request->id, given, sizeof(request->id));
    } else if (request->id[0] == '\0') {
        made[0] = process_number();
        made[1] = next_number();
        hex_write((const unsigned char *)made, sizeof(made), request->id);
    }
    return request->id;
}

void http_process_id(char id[HTTP_PROCESS_ID_SIZE])
{
    uint64_t number = process_number();

    hex_write((const unsigned char *)&number, sizeof(number), id);
}
