/* PutObject; and CopyObject, which is one whose bytes are there already. */
#include "index/s3/conditional.h"
#include "index/s3/receive.h"

void put_object(const struct call *call)
{
    enum s3_error error = conditional_check_target(call);

    if (error == S3_OK && http_request_header(call->request, "x-amz-copy-source") != NULL)
        error = S3_NOT_IMPLEMENTED;
    if (error != S3_OK) {
        call_fail(call, error, NULL);
        return;
    }
    receive(call, &(struct receive_options){
                      .key = &call->target.key,
                      .keeps_headers = true,
                      .condition = conditional_is_needed(call) ? conditional_check : NULL,
                  });
}
