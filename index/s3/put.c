/* PutObject; CopyObject is one whose bytes are there already. */
#include "index/s3/copy.h"
#include "index/s3/receive.h"
#include "index/s3/write_conditions.h"

static void bucket_checked(const struct call *call, const struct record *record)
{
    (void)record;
    if (copy_is_wanted(call->request))
        copy_object(call);
    else
        receive(call, &(struct receive_options){
                          .key = &call->target.key,
                          .keeps_headers = true,
                          .condition = write_conditions_exist(call) ? write_conditions_check : NULL,
                      });
}

void put_object(const struct call *call)
{
    call_check_target(call, bucket_checked);
}
