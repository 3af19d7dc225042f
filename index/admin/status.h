/* The state of an index, as JSON. */
#ifndef MKV_ADMIN_STATUS_H
#define MKV_ADMIN_STATUS_H

#include <jansson.h>

#include "index/admin/admin.h"
#include "index/base/buf.h"

/* Appends one line:
 *
 *     {"version":"0.1.0","pid":17,"index":"/srv/index","replicas":2,"uptime_ms":5,
 *      "keys":3,"unlinked":1,"orphans":0,
 *      "store":{"engine":"gdbm","away":false,"refuses_changes":false,"indexes":1,
 *               "leads":true},
 *      "table":{"bytes":8192},
 *      "memtable":{"bytes":4096},
 *      "checkpoint":{"running":false,"count":1,"last_ms":1763740800123,"took_ms":40,"error":null},
 *      "journal":{"segments":1,"bytes":900,"pending_bytes":700,"sync":true,"error":null},
 *      "backup":{"count":3,"last_ms":1763740800123,"bytes":500},
 *      "volumes":[{"name":"localhost:3001","state":"up","since_ms":1763740800123,"reason":"",
 *                  "identity":"6f...","total_bytes":1000,"free_bytes":900,"used":true,
 *                  "drained":false,"zone":"localhost","weight":100}],
 *      "zones":{"count":1,"keys_sharing":0,"age_ms":0},
 *      "jobs":[...],
 *      "healing":{"repair_after_ms":3600000,"verify_every_ms":2592000000,"held":false,
 *                 "verify_begun_ms":1763740800123,"verified_ms":null},
 *      "certificate":{"file":"/etc/mkv/index.crt","expires_ms":1795277908000},
 *      "advice":[...]}
 *
 * keys: without the unlinked ones, and backups. store: away, its database can't be reached now;
 * refuses_changes, for a while now it can be read and not changed; how many indexes share it, and
 * whether this is the one that backs it up and repairs. checkpoint: count, took_ms and error since
 * the start, last_ms since 1970 or null, of whichever run made the table. journal.pending_bytes:
 * what no checkpoint has yet. backup: of the index on its volumes; the last one's time and size are
 * null without one. Errors are text, and null once it went well again. state: as
 * volume_state_name() has it, and reason why. total_bytes, free_bytes: null when unknown. used: new
 * values go there; the others may hold old ones. zones.count: of the used volumes; keys_sharing:
 * keys with copies in one zone that could be in two, counted age_ms ago; both are null before the
 * first count has ended. jobs: those that run and the last ones that have ended, as admin_jobs.h
 * has them. healing: as healer.h has it, null for none. certificate: the front's, null without TLS.
 * advice: what is wrong, as advice.h has it. 0 or -ENOMEM. */
int status_append(struct buf *out, const struct admin *admin);

/* The same as a value, the caller's; NULL for want of memory. */
json_t *status_make(const struct admin *admin);

#endif
