/* Where a crash may fall: the places in a checkpoint and in the journal that the crash test cuts
 * mkv off at, one after the other. Nothing in what users run. */
#ifndef MKV_STORE_GDBM_STEP_H
#define MKV_STORE_GDBM_STEP_H

#ifdef MKV_STORE_STEPS
/* The test's. */
void engine_step(const char *name);
#else
static inline void engine_step(const char *name)
{
    (void)name;
}
#endif

#endif
