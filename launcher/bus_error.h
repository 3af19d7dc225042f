/* What becomes of mkv when a file that it has mapped (the index's table) can't be read: it was cut
 * short under it, or the disk has a bad block. The kernel tells by SIGBUS, to the thread that
 * reads.
 */
#ifndef MKV_LAUNCHER_BUS_ERROR_H
#define MKV_LAUNCHER_BUS_ERROR_H

/* From now on such a SIGBUS, of any thread, ends the process with exit status 1 after one line in
 * the log that names the file. A SIGBUS of another kind ends it as ever. */
void bus_error_init(void);

#endif
