/* What to do about an index that is damaged: the end of each message that says so. */
#ifndef MKV_STORE_GDBM_MEND_H
#define MKV_STORE_GDBM_MEND_H

#define STORE_MEND                                                                                 \
    ". Make a new index: mkv restore --index NEWDIR DUMP, or mkv rebuild --index NEWDIR VOLUME..."

#endif
