#include "index/maintenance/finding.h"

#include <string.h>

#include "index/base/buf.h"
#include "index/base/json.h"

static int append_field(struct buf *out, const char *name, const char *text)
{
    int rc;

    if (text == NULL || *text == '\0')
        return 0;
    rc = buf_append_format(out, ",\"%s\":", name);
    return rc < 0 ? rc : json_append_bytes(out, text, strcspn(text, "\n"));
}

void finding_tell(struct job *job, const char *finding, const struct key *key, const char *place,
                  const char *detail)
{
    struct buf line = {0};
    int rc = buf_append_format(&line, "{\"finding\":\"%s\",\"key\":", finding);

    if (rc == 0)
        rc = json_append_bytes(&line, key->bytes, key->len);
    if (rc == 0)
        rc = append_field(&line, "place", place);
    if (rc == 0)
        rc = append_field(&line, "detail", detail);
    if (rc == 0)
        rc = buf_append_string(&line, "}");
    if (rc == 0)
        job_find(job, buf_bytes(&line), buf_size(&line));
    else
        job->findings_left_out++;
    buf_deinit(&line);
}
