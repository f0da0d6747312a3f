/* What a broker cannot do without, and nothing else: it receives requests, checks the CRC-32C of each batch, walks every record of it
 * (behind decompression where it is lz4), writes the bytes and answers; of a fetch it sends the bytes. One thread a connection, no
 * retention, no recovery, no limits: it stands beside brokers to tell which figures of theirs are within reach.
 *
 *   floor SERVER_PROPERTIES      (log.dirs and the first listener's port are read from the file)
 */
#include "floor.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LARGEST_REQUEST (8 << 20)

int listening_port;
const char *directory;

int64_t take(struct reader *from, int bytes) {
    if (from->bad || from->end - from->at < bytes) return from->bad = 1, 0;
    uint64_t value = bytes && *from->at & 128 ? ~0ULL : 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | *from->at++;
    return (int64_t)value;
}

const uint8_t *take_sized(struct reader *from, int size_bytes, int64_t *length) {
    *length = take(from, size_bytes);
    if (*length < 0) return NULL;
    if (from->bad || from->end - from->at < *length) return from->bad = 1, *length = 0, from->at;
    const uint8_t *found = from->at;
    from->at += *length;
    return found;
}

void put(struct writer *to, int64_t value, int bytes) {
    if (to->length + (size_t)bytes > sizeof to->bytes) fputs("floor: an answer is too long\n", stderr), exit(1);
    for (int i = bytes - 1; i >= 0; i--) to->bytes[to->length++] = (uint8_t)((uint64_t)value >> (8 * i));
}

void put_string(struct writer *to, const char *text) {
    size_t length = strlen(text);
    put(to, (int64_t)length, 2);
    for (size_t i = 0; i < length; i++) put(to, text[i], 1);
}

/* Answers what is whole in the buffer; answers how many bytes that was, or -1 to close. */
static ssize_t answer_whole(int socket, uint8_t *bytes, size_t filled) {
    size_t at = 0;
    while (filled - at >= 4) {
        uint32_t length;
        memcpy(&length, bytes + at, 4);
        length = ntohl(length);
        if (length > LARGEST_REQUEST - 4) return -1;
        if (filled - at - 4 < length) break;
        if (!answer(socket, bytes + at + 4, length)) return -1;
        at += 4 + length;
    }
    return (ssize_t)at;
}

static void *serve(void *opaque) {
    int socket = (int)(intptr_t)opaque, one = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    uint8_t *bytes = malloc(LARGEST_REQUEST);
    size_t filled = 0;
    while (bytes) {
        ssize_t got = recv(socket, bytes + filled, LARGEST_REQUEST - filled, 0);
        if (got <= 0) break;
        filled += (size_t)got;
        ssize_t done = answer_whole(socket, bytes, filled);
        if (done < 0) break;
        memmove(bytes, bytes + done, filled - (size_t)done);
        filled -= (size_t)done;
    }
    free(bytes);
    close(socket);
    return NULL;
}

static void configure(const char *file) {
    static char found[4096];
    char line[4200];
    FILE *from = fopen(file, "r");
    if (!from) perror(file), exit(1);
    while (fgets(line, sizeof line, from)) {
        sscanf(line, "log.dirs=%4095s", found);
        sscanf(line, "listeners=PLAINTEXT://127.0.0.1:%d", &listening_port);
    }
    fclose(from);
    directory = found;
    if (!*found || !listening_port) fputs("floor: log.dirs and listeners=PLAINTEXT://127.0.0.1:PORT are needed\n", stderr), exit(1);
}

int main(int argc, char **argv) {
    if (argc != 2) return fputs("floor SERVER_PROPERTIES\n", stderr), 2;
    signal(SIGPIPE, SIG_IGN); /* sendfile to a socket that is gone */
    configure(argv[1]);
    int listening = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)listening_port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(listening, (struct sockaddr *)&at, sizeof at) || listen(listening, 1024)) return perror("floor: address in use"), 1;
    for (;;) {
        int accepted = accept(listening, NULL, NULL);
        pthread_t thread;
        if (accepted >= 0 && !pthread_create(&thread, NULL, serve, (void *)(intptr_t)accepted)) pthread_detach(thread);
    }
}
