#include "index/s3/xml_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "index/base/http_date.h"
#include "index/base/text.h"

static void append(struct xml_out *out, const char *bytes, size_t n)
{
    if (!out->failed && buf_append(out->buf, bytes, n) < 0)
        out->failed = true;
}

void xml_out_raw(struct xml_out *out, const char *text)
{
    append(out, text, strlen(text));
}

void xml_out_declare(struct xml_out *out)
{
    xml_out_raw(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
}

void xml_out_root(struct xml_out *out, const char *name)
{
    xml_out_raw(out, "<");
    xml_out_raw(out, name);
    xml_out_raw(out, " xmlns=\"" XML_OUT_NAMESPACE "\">");
}

void xml_out_open(struct xml_out *out, const char *name)
{
    xml_out_raw(out, "<");
    xml_out_raw(out, name);
    xml_out_raw(out, ">");
}

void xml_out_close(struct xml_out *out, const char *name)
{
    xml_out_raw(out, "</");
    xml_out_raw(out, name);
    xml_out_raw(out, ">");
}

/* --- Text ------------------------------------------------------------------------------------ */

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '&' && byte != '<' && byte != '>' && byte != '"';
}

/* How many of the bytes stand for themselves. */
static size_t count_plain(const char *text, size_t len)
{
    size_t n = 0;

    while (n < len && is_plain((unsigned char)text[n]))
        n++;
    return n;
}

/* Writes the character at the front, which isn't plain, and returns its length. */
static size_t append_special(struct xml_out *out, const char *text, size_t len)
{
    unsigned char byte = (unsigned char)text[0];
    size_t length = text_utf8_length((const unsigned char *)text, len);
    char reference[8];

    if (length == 0) {
        xml_out_raw(out, "\xef\xbf\xbd");
        return 1;
    }
    if (byte >= 0x7f)
        append(out, text, length);
    else if (byte == '&')
        xml_out_raw(out, "&amp;");
    else if (byte == '<')
        xml_out_raw(out, "&lt;");
    else if (byte == '>')
        xml_out_raw(out, "&gt;");
    else if (byte == '"')
        xml_out_raw(out, "&quot;");
    else
        append(out, reference, (size_t)snprintf(reference, sizeof(reference), "&#x%X;", byte));
    return length;
}

void xml_out_content(struct xml_out *out, const char *text, size_t len)
{
    while (len > 0) {
        size_t n = count_plain(text, len);

        append(out, text, n);
        if (n < len)
            n += append_special(out, text + n, len - n);
        text += n;
        len -= n;
    }
}

void xml_out_text(struct xml_out *out, const char *name, const char *text, size_t len)
{
    xml_out_open(out, name);
    xml_out_content(out, text, len);
    xml_out_close(out, name);
}

void xml_out_string(struct xml_out *out, const char *name, const char *text)
{
    xml_out_text(out, name, text, strlen(text));
}

static bool is_unreserved(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' ||
           byte == '~' || byte == '/';
}

void xml_out_url(struct xml_out *out, const char *name, const char *text, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    char piece[3 * 256];
    size_t n = 0;

    xml_out_open(out, name);
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];

        if (is_unreserved(byte)) {
            piece[n++] = (char)byte;
        } else {
            piece[n++] = '%';
            piece[n++] = digits[byte >> 4];
            piece[n++] = digits[byte & 15];
        }
        if (n > sizeof(piece) - 3) {
            append(out, piece, n);
            n = 0;
        }
    }
    append(out, piece, n);
    xml_out_close(out, name);
}

/* --- Other values ---------------------------------------------------------------------------- */

void xml_out_number(struct xml_out *out, const char *name, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    xml_out_string(out, name, text);
}

void xml_out_bool(struct xml_out *out, const char *name, bool value)
{
    xml_out_string(out, name, value ? "true" : "false");
}

void xml_out_time(struct xml_out *out, const char *name, uint64_t ms)
{
    char text[ISO_DATE_SIZE];

    iso_date_format(ms, text);
    xml_out_string(out, name, text);
}
