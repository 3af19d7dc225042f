/* What to do about an index that is damaged: the end of each message that says so. */
#ifndef MKV_STORE_MEND_H
#define MKV_STORE_MEND_H

#define STORE_MEND ". Restore a dump into a new directory: mkv restore --index NEWDIR FILE"

#endif
