/* The identity of a volume, kept in a file. */
#ifndef MKV_LAUNCHER_VOLUME_ID_H
#define MKV_LAUNCHER_VOLUME_ID_H

#include "launcher/volume/volume_dir.h"

/* Reads the file "id" in the directory `fd`. 0, -ENOENT, -EILSEQ where it holds no identity, or
 * another -errno. */
int volume_id_read(int fd, char id[VOLUME_ID_SIZE + 1]);

/* Makes a new identity and writes it durably: after a crash it is there whole, or not at all. 0 or
 * -errno. */
int volume_id_make(int fd, char id[VOLUME_ID_SIZE + 1]);

#endif
