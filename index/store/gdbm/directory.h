/* The index directory as a file system object. */
#ifndef MKV_STORE_GDBM_DIRECTORY_H
#define MKV_STORE_GDBM_DIRECTORY_H

/* Says that a file can't be renamed, or whatever `verb` is, and why; the error as a UV_E*. */
int directory_failed(const char *verb, const char *path, int error);

/* Brings the names of a directory's files to disk. 0 or a negative UV_E*. */
int directory_sync(const char *directory);

/* Makes the directory, 0700, when it is missing. 0, or a negative UV_E* after a log line. */
int directory_make(const char *directory);

#endif
