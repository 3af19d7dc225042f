#include "index/base/exposition.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "index/base/text.h"

static void put(struct exposition *e, const char *bytes, size_t n)
{
    if (!e->failed && buf_append(e->out, bytes, n) < 0)
        e->failed = true;
}

static void put_text(struct exposition *e, const char *text)
{
    put(e, text, strlen(text));
}

/* "Comments, help text, and type information", and "Text format details". */
static void put_escaped(struct exposition *e, const char *text)
{
    size_t left = strlen(text);
    size_t n;

    for (; left > 0; text += n, left -= n) {
        n = text_utf8_length((const unsigned char *)text, left);
        if (n == 0) {
            n = 1;
            put(e, "?", 1);
        } else if (*text == '\\' || *text == '"') {
            put(e, "\\", 1);
            put(e, text, 1);
        } else if (*text == '\n') {
            put(e, "\\n", 2);
        } else {
            put(e, text, n);
        }
    }
}

void exposition_begin(struct exposition *e, const char *name, const char *type, const char *help)
{
    const char *const words[] = {"# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n"};

    e->name = name;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        put_text(e, words[i]);
}

static void put_labels(struct exposition *e, const struct exposition_label *labels)
{
    const char *before = "{";

    if (labels == NULL || labels->name == NULL)
        return;
    for (; labels->name != NULL; labels++) {
        put_text(e, before);
        put_text(e, labels->name);
        put_text(e, "=\"");
        put_escaped(e, labels->value);
        put_text(e, "\"");
        before = ",";
    }
    put_text(e, "}");
}

/* Without zeros at the end of the decimals. */
static void format(uint64_t value, unsigned per, char text[48])
{
    int n = snprintf(text, 48, "%" PRIu64, value / per);
    unsigned rest = (unsigned)(value % per);

    if (rest > 0)
        text[n++] = '.';
    for (; rest > 0; rest %= per) {
        per /= 10;
        text[n++] = (char)('0' + rest / per);
    }
    text[n] = '\0';
}

static void put_sample(struct exposition *e, const char *suffix,
                       const struct exposition_label *labels, uint64_t value, unsigned per)
{
    char text[48];

    put_text(e, e->name);
    put_text(e, suffix);
    put_labels(e, labels);
    format(value, per, text);
    put_text(e, " ");
    put_text(e, text);
    put_text(e, "\n");
}

void exposition_add(struct exposition *e, const struct exposition_label *labels, uint64_t value,
                    unsigned per)
{
    put_sample(e, "", labels, value, per);
}

void exposition_add_histogram(struct exposition *e, const struct exposition_label *labels,
                              const struct histogram *histogram)
{
    struct exposition_label all[EXPOSITION_LABELS_MAX + 2] = {{.name = NULL}};
    uint64_t count = 0;
    char bound[48];
    unsigned n = 0;

    for (; labels != NULL && labels[n].name != NULL; n++) {
        assert(n < EXPOSITION_LABELS_MAX);
        all[n] = labels[n];
    }
    all[n] = (struct exposition_label){"le", bound};
    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        count += histogram->counts[i];
        if (i < HISTOGRAM_BOUNDS)
            format(histogram_bounds[i], EXPOSITION_NANO, bound);
        else
            strcpy(bound, "+Inf");
        put_sample(e, "_bucket", all, count, 1);
    }
    put_sample(e, "_sum", labels, histogram->sum, EXPOSITION_NANO);
    put_sample(e, "_count", labels, count, 1);
}

void exposition_gauge(struct exposition *e, const char *name, const char *help, uint64_t value)
{
    exposition_begin(e, name, "gauge", help);
    exposition_add(e, NULL, value, 1);
}

void exposition_counter(struct exposition *e, const char *name, const char *help, uint64_t value)
{
    exposition_begin(e, name, "counter", help);
    exposition_add(e, NULL, value, 1);
}
