/* How a volume's nginx judges tickets: the maps that stand for @TICKETS@ in its template. */
#ifndef MKV_LAUNCHER_TICKET_MAPS_H
#define MKV_LAUNCHER_TICKET_MAPS_H

#include "index/access/secret.h"

#define TICKET_MAPS_SIZE 2048

/* Renders them for the volume with that identity: each of the secrets opens. Without any, all
 * requests are let in. They hold keys: wipe them when they are not needed any more. */
void ticket_maps_render(const struct secrets *secrets, const char *identity,
                        char text[TICKET_MAPS_SIZE]);

/* Overwrites the keys in it by a word, for people who want to see the config. */
void ticket_maps_hide(char text[TICKET_MAPS_SIZE]);

#endif
