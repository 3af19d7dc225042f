/* PutObject; CopyObject is one whose bytes are there already. */
#include "index/s3/copy.h"
#include "index/s3/receive.h"
#include "index/s3/write_conditions.h"

void put_object(const struct call *call)
{
    enum s3_error error = call_check_target(call);

    if (error != S3_OK)
        call_fail(call, error, NULL);
    else if (copy_is_wanted(call->request))
        copy_object(call);
    else
        receive(call, &(struct receive_options){
                          .key = &call->target.key,
                          .keeps_headers = true,
                          .condition = write_conditions_exist(call) ? write_conditions_check : NULL,
                      });
}
