/* Tickets: what an index gives with each request to a volume, or to a client whom it sends there,
 * and what the volume's nginx opens with no code of ours (its secure_link module):
 *
 *     KEYID.MAC,EXPIRES      MAC = base64url(MD5(HEAD EXPIRES ' ' METHOD ' ' PATH TAIL))
 *
 * EXPIRES is in seconds since 1970, PATH the blob's as nginx decodes it (its $uri), and KEYID names
 * the secret. HEAD and TAIL, 64 hex digits each, are derived from the secret and from the volume's
 * identity, so that a ticket is good at one volume alone, and who sees a volume's config learns
 * nothing of the others'. MD5 is what secure_link has. HEAD fills MD5's first block, so nobody
 * outside can look for two paths of one hash; TAIL is hashed last, so that nobody can append to
 * what was hashed. */
#ifndef MKV_ACCESS_TICKET_H
#define MKV_ACCESS_TICKET_H

#include <stddef.h>
#include <stdint.h>

#include "index/access/secret.h"
#include "index/base/md5.h"

#define TICKET_PART       64 /* digits of HEAD and of TAIL */
#define TICKET_SIZE       48 /* of a ticket's text, at most, with its NUL */
#define TICKET_TTL        60 /* seconds, unless somebody says otherwise */
#define TICKET_TTL_MIN    5
#define TICKET_TTL_MAX    (24 * 60 * 60)
#define TICKET_HEADER     "Mkv-Ticket"
#define TICKET_PARAMETER  "ticket"
#define TICKET_QUERY_SIZE (sizeof("?" TICKET_PARAMETER "=") + TICKET_SIZE)

/* What one secret makes of one volume's identity. */
struct ticket_key {
    char id[SECRET_ID_SIZE]; /* of the secret */
    char head[TICKET_PART + 1];
    char tail[TICKET_PART + 1];
    struct md5 begun; /* with `head` */
};

/* Derives it. `identity` is the volume's Mkv-Volume-Id, or "". */
void ticket_key_derive(const struct secret *secret, const char *identity, struct ticket_key *key);

/* Wipes. */
void ticket_key_deinit(struct ticket_key *key);

/* Writes the ticket for one method and path, which is good until `expires`. */
void ticket_write(const struct ticket_key *key, const char *method, const char *path,
                  size_t path_len, int64_t expires, char ticket[TICKET_SIZE]);

#endif
