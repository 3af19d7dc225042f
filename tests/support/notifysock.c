/* notifysock PATH: binds a Unix datagram socket as systemd does for $NOTIFY_SOCKET, says "bound",
 * and prints every datagram as it comes. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[4096];
    ssize_t n;
    int fd;

    if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path)) {
        fprintf(stderr, "usage: notifysock PATH\n");
        return 2;
    }
    strcpy(address.sun_path, argv[1]);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        perror(argv[1]);
        return 1;
    }
    chmod(argv[1], 0777);
    setlinebuf(stdout);
    printf("bound\n");
    while ((n = recv(fd, text, sizeof(text), 0)) > 0) {
        printf("%.*s\n", (int)n, text);
    }
    return 0;
}
