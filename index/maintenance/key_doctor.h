/* Looks at the copies of single keys for a job, tells what is wrong with them, and with
 * job->options.repair has new ones made of a good one, so many keys at once as the job allows. */
#ifndef MKV_MAINTENANCE_KEY_DOCTOR_H
#define MKV_MAINTENANCE_KEY_DOCTOR_H

#include "index/maintenance/job.h"

struct key_visit;
LIST_HEAD(key_visits, key_visit);
STAILQ_HEAD(key_repairs, key_visit);

/* Embedded in the job's own struct; set the first three. Counts what verify.h says of keys. */
struct key_doctor {
    struct job *job;
    void *arg;
    void (*ended)(void *arg); /* a visit has ended; from the loop */
    struct key_visits running;
    struct key_repairs to_repair; /* of them, those that wait for their turn */
    unsigned n_repairs;           /* and those whose turn it is */
};

void key_doctor_init(struct key_doctor *doctor, struct job *job, void (*ended)(void *arg),
                     void *arg);

/* Visits a key that has this record; job->options.deep says how closely it looks. 0, and the visit
 * ends with `ended`; UV_EAGAIN when no copy can be asked for, which is counted; or UV_ENOMEM. */
int key_doctor_visit(struct key_doctor *doctor, const struct key *key, const struct record *record);

/* Breaks off all visits: they end soon. */
void key_doctor_cancel(struct key_doctor *doctor);

#endif
