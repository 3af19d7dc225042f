/* Signs requests to volumes, where the cluster has a secret: each gets a ticket (access/ticket.h)
 * for the volume that is known to be there. */
#ifndef MKV_CLUSTER_SIGN_H
#define MKV_CLUSTER_SIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "index/access/ticket.h"

/* What signs. All zero: nothing does. */
struct signer {
    uint64_t version; /* one more with each secret; 0: none is there */
    unsigned ttl;     /* seconds that a ticket is good for */
    struct secret secret;
};

/* The key of one volume, kept from one request to the next. All zero: none is. */
struct signing_key {
    uint64_t version; /* of the signer's that it was derived from */
    struct ticket_key key;
};

/* Signs with the first of `secrets` from now on, or no more when there is none. */
void signer_set(struct signer *signer, const struct secrets *secrets, unsigned ttl);

/* Wipes. */
void signer_deinit(struct signer *signer);

/* Writes the ticket for a request to the volume of that identity, which `key` is kept for; the path
 * ends at `len` bytes. False, and *ticket is "", where nothing signs. */
bool sign(const struct signer *signer, struct signing_key *key, const char *identity,
          const char *method, const char *path, size_t len, char ticket[TICKET_SIZE]);

#endif
