/* Any query: its parameters come sorted, and what they are encoded as is read as the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/access/params.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static void check_order(const struct params *params)
{
    for (size_t i = 1; i < params->n; i++) {
        const struct param *a = &params->at[i - 1];
        const struct param *b = &params->at[i];
        int order = compare(a->name, a->name_len, b->name, b->name_len);

        if (order > 0 ||
            (order == 0 && compare(a->value, a->value_len, b->value, b->value_len) > 0))
            abort();
    }
}

static void check_again(const struct params *params)
{
    struct params again;
    struct buf text = {0};

    for (size_t i = 0; i < params->n; i++) {
        buf_append(&text, params->at[i].name, params->at[i].name_len);
        buf_append(&text, "=", 1);
        buf_append(&text, params->at[i].value, params->at[i].value_len);
        buf_append(&text, "&", 1);
    }
    if (params_init(&again, buf_bytes(&text), buf_size(&text)) != 0 || again.n != params->n)
        abort();
    for (size_t i = 0; i < params->n; i++) {
        const struct param *a = &params->at[i];
        const struct param *b = &again.at[i];

        if (compare(a->name, a->name_len, b->name, b->name_len) != 0 ||
            compare(a->value, a->value_len, b->value, b->value_len) != 0)
            abort();
    }
    params_deinit(&again);
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct params params;
    char value[64];

    if (params_init(&params, (const char *)data, size) == 0) {
        check_order(&params);
        check_again(&params);
        for (size_t i = 0; i < params.n; i++) {
            int len =
                param_decode(params.at[i].value, params.at[i].value_len, value, sizeof(value));

            if (len >= 0 && strlen(value) != (size_t)len)
                abort();
        }
    }
    params_deinit(&params);
    return 0;
}
