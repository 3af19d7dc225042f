/* The chunked coding (RFC 9112, section 7.1) to the letter. llhttp has a decoder too, which skips
 * the two bytes after a chunk without a look, and sets no end to extensions and trailers. */
#include "index/http/internal.h"

#define SIZE_LINE_MAX 4096 /* bytes of a chunk's size with its extensions, which nobody reads */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum chunk_state next_in_size(struct chunks *c, char byte)
{
    int digit = hex_digit(byte);

    if (++c->line > SIZE_LINE_MAX)
        return CHUNK_BAD;
    if (digit >= 0) {
        if (c->left > (uint64_t)INT64_MAX >> 4)
            return CHUNK_BAD;
        c->left = c->left << 4 | (uint64_t)digit;
        return CHUNK_SIZE;
    }
    if (c->state == CHUNK_SIZE_FIRST)
        return CHUNK_BAD;
    return byte == '\r' ? CHUNK_SIZE_LF : byte == ';' ? CHUNK_EXTENSION : CHUNK_BAD;
}

static enum chunk_state next_in_extension(struct chunks *c, char byte)
{
    bool control = ((unsigned char)byte < 0x20 && byte != '\t') || byte == 0x7f;

    if (byte == '\r')
        return CHUNK_SIZE_LF;
    return ++c->line > SIZE_LINE_MAX || control ? CHUNK_BAD : CHUNK_EXTENSION;
}

/* The state after a byte that belongs neither to data nor to trailers. */
static enum chunk_state next_state(struct chunks *c, char byte)
{
    switch (c->state) {
    case CHUNK_SIZE_FIRST:
    case CHUNK_SIZE:
        return next_in_size(c, byte);
    case CHUNK_EXTENSION:
        return next_in_extension(c, byte);
    case CHUNK_SIZE_LF:
        c->line = 0;
        return byte != '\n' ? CHUNK_BAD : c->left > 0 ? CHUNK_DATA : CHUNK_TRAILERS;
    case CHUNK_DATA_CR:
        return byte == '\r' ? CHUNK_DATA_LF : CHUNK_BAD;
    case CHUNK_DATA_LF:
        return byte == '\n' ? CHUNK_SIZE_FIRST : CHUNK_BAD;
    default:
        return CHUNK_BAD;
    }
}

static size_t take_data(struct chunks *c, const char *bytes, size_t n, const char **data,
                        size_t *len)
{
    *data = bytes;
    *len = n < c->left ? n : (size_t)c->left;
    c->left -= *len;
    if (c->left == 0)
        c->state = CHUNK_DATA_CR;
    return *len;
}

/* Trailers are fields as those of a head; nobody reads them. */
static size_t take_trailers(struct chunks *c, const char *bytes, size_t n)
{
    size_t taken = head_scan(&c->trailers, bytes, n);

    if (c->trailers.state == HEAD_END)
        c->state = CHUNK_END;
    else if (c->trailers.state > HEAD_END)
        c->state = CHUNK_BAD;
    return taken;
}

size_t chunks_take(struct chunks *c, const char *bytes, size_t n, const char **data, size_t *len)
{
    size_t i = 0;

    *len = 0;
    while (i < n && c->state < CHUNK_DATA)
        c->state = next_state(c, bytes[i++]);
    while (i < n && (c->state == CHUNK_DATA_CR || c->state == CHUNK_DATA_LF))
        c->state = next_state(c, bytes[i++]);
    if (i == n)
        return i;
    if (c->state == CHUNK_DATA)
        return i + take_data(c, bytes + i, n - i, data, len);
    if (c->state == CHUNK_TRAILERS)
        return i + take_trailers(c, bytes + i, n - i);
    return i;
}
