#include "index/access/params.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/percent.h"

static bool is_unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

/* Appends these bytes, decoded and encoded, to memory that is there. Their new length. */
static size_t encode_again(struct buf *text, const char *at, const char *end)
{
    static const char hex[] = "0123456789ABCDEF";
    char *start = text->data + text->tail;
    char *out = start;

    while (at < end) {
        int byte = *at == '%' ? percent_byte(at, (size_t)(end - at)) : -1;

        if (byte >= 0) {
            at += 3;
        } else {
            byte = *at == '+' ? ' ' : (unsigned char)*at;
            at++;
        }
        if (is_unreserved((unsigned char)byte)) {
            *out++ = (char)byte;
            continue;
        }
        *out++ = '%';
        *out++ = hex[byte >> 4];
        *out++ = hex[byte & 15];
    }
    text->tail += (size_t)(out - start);
    return (size_t)(out - start);
}

static const char *find(const char *at, const char *end, char c)
{
    const char *found = memchr(at, c, (size_t)(end - at));

    return found != NULL ? found : end;
}

static void add(struct params *params, const char *at, const char *end)
{
    struct param *param = &params->at[params->n++];
    const char *sign = find(at, end, '=');

    param->name = params->text.data + params->text.tail;
    param->name_len = encode_again(&params->text, at, sign);
    param->value = params->text.data + params->text.tail;
    param->value_len = encode_again(&params->text, sign < end ? sign + 1 : end, end);
}

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t shorter = a_len < b_len ? a_len : b_len;
    int order = memcmp(a, b, shorter);

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int compare(const void *a, const void *b)
{
    const struct param *one = a;
    const struct param *other = b;
    int order = compare_bytes(one->name, one->name_len, other->name, other->name_len);

    if (order != 0)
        return order;
    return compare_bytes(one->value, one->value_len, other->value, other->value_len);
}

int params_init(struct params *params, const char *query, size_t len)
{
    const char *end;
    int rc;

    params->n = 0;
    memset(&params->text, 0, sizeof(params->text));
    if (query == NULL || len == 0)
        return 0;
    rc = buf_reserve(&params->text, 3 * len); /* so that it never moves */
    if (rc < 0)
        return rc;
    end = query + len;
    while (query < end) {
        const char *next = find(query, end, '&');

        if (next > query) {
            if (params->n == PARAMS_MAX)
                return -E2BIG;
            add(params, query, next);
        }
        query = next < end ? next + 1 : end;
    }
    qsort(params->at, params->n, sizeof(params->at[0]), compare);
    return 0;
}

void params_deinit(struct params *params)
{
    buf_deinit(&params->text);
    params->n = 0;
}

const struct param *params_find(const struct params *params, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < params->n; i++) {
        const struct param *param = &params->at[i];

        if (param->name_len == len && memcmp(param->name, name, len) == 0)
            return param;
    }
    return NULL;
}

int param_decode(const char *encoded, size_t len, char *out, size_t size)
{
    size_t n;
    int rc = percent_decode(encoded, len, out, size - 1, &n);

    if (rc < 0)
        return rc;
    out[n] = '\0';
    return (int)n;
}
