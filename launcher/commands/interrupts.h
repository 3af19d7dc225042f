/* Ctrl-C and TERM, for a command that has something to end first. */
#ifndef MKV_LAUNCHER_INTERRUPTS_H
#define MKV_LAUNCHER_INTERRUPTS_H

/* From now on INT and TERM only come while interrupts_wait() waits. */
void interrupts_init(void);

/* From now on they come at any time, so that a second one ends the process also where it waits for
 * something else. interrupts_wait() may miss one that comes just before, and waits its time then.
 */
void interrupts_admit(void);

/* Waits until `fd` can be read, `ms` milliseconds (-1: forever), or a signal. 1 when it can be
 * read, else 0. With `fd` -1 it only waits. */
int interrupts_wait(int fd, int ms);

/* The signal that has come, or 0. A second one ends the process at once, wherever it is, with 128
 * and its number. */
int interrupts_signal(void);

/* What a second signal writes to `fd` first, a string that stays; NULL: nothing. */
void interrupts_set_farewell(int fd, const char *text);

#endif
