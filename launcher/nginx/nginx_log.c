#include "launcher/nginx/nginx_log.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    enum log_level level;
} levels[] = {
    {"[emerg] ", LOG_LEVEL_ERROR}, {"[alert] ", LOG_LEVEL_ERROR}, {"[crit] ", LOG_LEVEL_ERROR},
    {"[error] ", LOG_LEVEL_ERROR}, {"[warn] ", LOG_LEVEL_WARN},   {"[notice] ", LOG_LEVEL_DEBUG},
    {"[info] ", LOG_LEVEL_DEBUG},  {"[debug] ", LOG_LEVEL_DEBUG},
};

/* Skips `n` bytes where the line has that many. */
static void skip(struct nginx_log_line *out, size_t n)
{
    n = n < out->len ? n : out->len;
    out->text += n;
    out->len -= n;
}

static bool skip_prefix(struct nginx_log_line *out, const char *prefix)
{
    size_t n = strlen(prefix);

    if (out->len < n || memcmp(out->text, prefix, n) != 0)
        return false;
    skip(out, n);
    return true;
}

/* Skips what fits `pattern`, in which 0 stands for a digit. */
static void skip_pattern(struct nginx_log_line *out, const char *pattern)
{
    size_t n = strlen(pattern);

    if (out->len < n)
        return;
    for (size_t i = 0; i < n; i++) {
        bool digit = isdigit((unsigned char)out->text[i]) != 0;

        if (pattern[i] == '0' ? !digit : out->text[i] != pattern[i])
            return;
    }
    skip(out, n);
}

static size_t digits(const char *text, size_t len)
{
    size_t n = 0;

    while (n < len && isdigit((unsigned char)text[n]))
        n++;
    return n;
}

/* Skips "123#123: ". */
static void skip_process(struct nginx_log_line *out)
{
    size_t pid = digits(out->text, out->len);
    size_t tid;

    if (pid == 0 || pid + 1 >= out->len || out->text[pid] != '#')
        return;
    tid = digits(out->text + pid + 1, out->len - pid - 1);
    if (tid > 0 && pid + tid + 3 <= out->len && memcmp(out->text + pid + 1 + tid, ": ", 2) == 0)
        skip(out, pid + tid + 3);
}

void nginx_log_parse(const char *line, size_t len, struct nginx_log_line *out)
{
    struct nginx_log_line l = {.level = LOG_LEVEL_WARN, .text = line, .len = len};

    skip_pattern(&l, "0000/00/00 00:00:00 ");
    skip_prefix(&l, "nginx: ");
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (!skip_prefix(&l, levels[i].name))
            continue;
        l.level = levels[i].level;
        l.leveled = true;
        l.fatal = i == 0;
        skip_process(&l);
        *out = l;
        return;
    }
    *out = (struct nginx_log_line){.level = LOG_LEVEL_WARN, .text = line, .len = len};
}

void nginx_log_locate(const char *text, size_t len, const char *conf, char *out, size_t size)
{
    size_t conf_len = strlen(conf);
    const char *at = memmem(text, len, conf, conf_len);
    size_t before = at != NULL ? (size_t)(at - text) : 0;
    size_t after = before + conf_len;

    if (at == NULL || before < 4 || memcmp(at - 4, " in ", 4) != 0 || after >= len ||
        text[after] != ':')
        snprintf(out, size, "%.*s", (int)len, text);
    else
        snprintf(out, size, "%.*s at line %.*s", (int)(before - 4), text, (int)(len - after - 1),
                 text + after + 1);
}

/* Whether the text at `at` begins with a parameter's name that is secret, and how long that is. */
static size_t secret_name(const char *at, size_t left)
{
    static const char *const names[] = {"ticket=", "signature=", "token="};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t n = strlen(names[i]);

        if (n <= left && strncasecmp(at, names[i], n) == 0)
            return n;
    }
    return 0;
}

void nginx_log_redact(const char *text, size_t len, char *out)
{
    size_t i = 0;

    memcpy(out, text, len);
    while (i < len) {
        size_t n = secret_name(text + i, len - i);

        if (n == 0) {
            i++;
            continue;
        }
        for (i += n; i < len && strchr("& \"#", text[i]) == NULL; i++)
            out[i] = '*';
    }
}

const char *nginx_log_level_name(enum log_level level)
{
    static const char *const names[] = {
        [LOG_LEVEL_DEBUG] = "info",
        [LOG_LEVEL_INFO] = "warn",
        [LOG_LEVEL_WARN] = "warn",
        [LOG_LEVEL_ERROR] = "error",
    };

    return names[level];
}
