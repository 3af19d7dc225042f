/* Listings of keys. */
#ifndef MKV_API_LIST_H
#define MKV_API_LIST_H

#include <stdbool.h>

#include "index/api/api.h"

/* If the query of a GET or HEAD asks for a listing ("list" or "unlinked"), answers it, now or
 * later, and says true. The path, percent-decoded, is the prefix that keys must have. */
bool api_list(struct api *api, struct http_request *request);

#endif
