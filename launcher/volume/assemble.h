/* Answers POST /_mkv/assemble, which makes a file out of ranges of others, without their bytes
 * leaving the disk. assembly_lines.h has the form of the body, 16 MiB at most, of known length.
 *
 * The answer is 200, and lines as soon as it is known what they say:
 *
 *     PATH TAB missing     there is no plain file at this source
 *     PATH TAB differs     it is of another size
 *
 * and then one of
 *
 *     done                 the file is there, whole; not yet on disk: POST /_mkv/sync
 *     done TAB MD5         where it was wanted, in hex
 *     none                 it isn't, for the sources above
 *     full TAB TEXT        the disk is full
 *     error TAB TEXT       any other failure
 *
 * An answer without one of those was cut off, and the file may be there or not. It is never there
 * in part. Empty lines, which say that it goes on, mean nothing. A client that goes ends it, unless
 * it is about to be done.
 *
 * 400 where a line makes no sense, 411 and 413 for a body of unknown length or over 16 MiB, 503 for
 * too much at once. */
#ifndef MKV_LAUNCHER_ASSEMBLE_H
#define MKV_LAUNCHER_ASSEMBLE_H

#include "index/http/http.h"
#include "launcher/volume/volume_dir.h"

struct assembler;

/* `dir` is borrowed. 0 or UV_ENOMEM. */
int assembler_new(uv_loop_t *loop, const struct volume_dir *dir, struct assembler **assembler);

/* Takes a POST, and answers it. */
void assembler_post(struct assembler *assembler, struct http_request *http);

/* As pieces_stop(). */
void assembler_stop(struct assembler *assembler, void (*cb)(void *arg), void *arg);

#endif
