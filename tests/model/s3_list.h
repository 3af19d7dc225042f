/* Lists of the bucket of the keys that all clients change (s3_key.h): what a page shows of a key,
 * and that it doesn't show it, is kept like a GET's answer. */
#ifndef MKV_TESTS_MODEL_S3_LIST_H
#define MKV_TESTS_MODEL_S3_LIST_H

#include "tests/model/s3_key.h"

/* Lists all keys, of which there are `n_keys`, in pages of a size at random. */
void s3_list(struct s3_client *s3, struct shared_key *keys, unsigned n_keys);

#endif
