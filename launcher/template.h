/* nginx configs are rendered from readable templates: @NAME@ is replaced by the value of NAME. */
#ifndef MKV_LAUNCHER_TEMPLATE_H
#define MKV_LAUNCHER_TEMPLATE_H

/* The files of templates/, compiled in; each ends with a NUL. */
extern const char template_volume[];
extern const char template_index[];

#endif
