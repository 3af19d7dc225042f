/* Answers POST /_mkv/hash, whose body is a path a line, as blob_lines.h has it: 200 and, in the
 * same order, a line for each:
 *
 *     PATH TAB SIZE TAB MD5     of what is in the file now, the MD5 in hex
 *     PATH TAB missing          no plain file is there
 *     PATH TAB error TAB TEXT   it can't be read
 *
 * and then "end". An answer without that was cut off. Empty lines, which say that a long file is
 * still being read, mean nothing. 400 and 413 as for /_mkv/sync; 503 when others are being hashed.
 */
#ifndef MKV_LAUNCHER_HASH_H
#define MKV_LAUNCHER_HASH_H

#include "index/http/http.h"
#include "launcher/volume/pieces.h"

#define HASH_PLACES  4 /* requests at once, */
#define HASH_THREADS 1 /* and the thread that they share */

/* Takes a POST, and answers it. `hashes` is where they run, `directory` borrowed. */
void hash_post(struct pieces *hashes, int directory, struct http_request *http);

#endif
