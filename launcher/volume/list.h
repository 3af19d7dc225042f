/* Answers GET /_mkv/list?after=PATH&limit=N&attributes=no: the blobs of the volume, in the order of
 * the bytes of their paths, from the first one after PATH on, which need not exist, and N at most.
 * A line is
 *
 *     PATH TAB SIZE TAB MTIME TAB ATTRIBUTE
 *
 * where PATH has the generation at its end, if the blob has one, MTIME is in milliseconds since
 * 1970 (0 for a time before that), and ATTRIBUTE is "-" where the file has none, else base64. Only
 * the last line begins with neither a '/' nor its own end:
 *
 *     end              that was all
 *     more TAB PATH    the limit is reached; PATH is what to go on after
 *     error TAB TEXT   it can't go on
 *
 * Without one of these the answer was cut off. Empty lines, which say that the walk still goes on,
 * mean nothing. What is no blob by its path, no plain file, or a link, is not listed. What is
 * stored or removed meanwhile may be listed or not, all else is, once.
 *
 * In the query '%' and two digits stand for a byte, and '+' for itself. 400 for a bad query, 500
 * when nothing can be listed, 503 when others are being listed. */
#ifndef MKV_LAUNCHER_LIST_H
#define MKV_LAUNCHER_LIST_H

#include "index/http/http.h"
#include "launcher/volume/pieces.h"

#define LIST_PLACES  4 /* listings at once, */
#define LIST_THREADS 2 /* and the threads that they share */

/* Takes a GET, and answers it. `lists` is where listings run, `directory` borrowed. */
void list_get(struct pieces *lists, int directory, struct http_request *http);

#endif
