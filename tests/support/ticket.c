/* ticket SECRET-FILE IDENTITY METHOD PATH [SECONDS] prints the ticket that an index with that
 * secret would give the request, good for so many seconds from now (60). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "index/access/ticket.h"

int main(int argc, char **argv)
{
    struct secrets secrets = {.n = 0};
    char why[SECRET_WHY_SIZE];
    char text[TICKET_SIZE];
    struct ticket_key key;

    if (argc < 5)
        return 2;
    if (secrets_read(argv[1], &secrets, why) < 0) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    ticket_key_derive(&secrets.items[0], argv[2], &key);
    ticket_write(&key, argv[3], argv[4], strlen(argv[4]),
                 time(NULL) + (argc > 5 ? atoi(argv[5]) : 60), text);
    puts(text);
    return 0;
}
