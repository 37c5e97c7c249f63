/* Feeds a file to libtelnet in reads of 16 KiB, as often as standard input says, and answers with the nanoseconds
   of the processor's time that it took and how many bytes it would have answered. */
#include <stddef.h>

#include <libtelnet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned long long data_bytes;
static unsigned long long answered_bytes;
/* Answers are gathered until the read is used up, as a driver has to. */
static char answers[64 * 1024];
static size_t answer_bytes;

static void on_event(telnet_t *telnet, telnet_event_t *event, void *user) {
    (void)user;
    if (event->type == TELNET_EV_TTYPE && event->ttype.cmd == TELNET_TTYPE_SEND)
        telnet_ttype_is(telnet, "xterm");
    if (event->type == TELNET_EV_DATA)
        data_bytes += event->data.size;
    if (event->type == TELNET_EV_SEND && event->data.size <= sizeof answers - answer_bytes) {
        memcpy(answers + answer_bytes, event->data.buffer, event->data.size);
        answer_bytes += event->data.size;
    }
}

static const telnet_telopt_t options[] = {
    {TELNET_TELOPT_ECHO, TELNET_WONT, TELNET_DO},  {TELNET_TELOPT_SGA, TELNET_WILL, TELNET_DO},
    {TELNET_TELOPT_TTYPE, TELNET_WILL, TELNET_DONT}, {-1, 0, 0},
};

int main(int argc, char **argv) {
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file || fseek(file, 0, SEEK_END))
        return 1;
    size_t length = (size_t)ftell(file);
    char *input = malloc(length);
    rewind(file);
    if (!input || fread(input, 1, length, file) != length)
        return 1;
    unsigned long long iterations;
    while (scanf("%llu", &iterations) == 1) {
        struct timespec start, end;
        answered_bytes = 0;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
        for (; iterations > 0; iterations--) {
            telnet_t *telnet = telnet_init(options, on_event, 0, NULL);
            for (size_t at = 0; at < length; at += 16384) {
                telnet_recv(telnet, input + at, length - at < 16384 ? length - at : 16384);
                answered_bytes += answer_bytes;
                answer_bytes = 0;
            }
            telnet_free(telnet);
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        printf("%lld %llu\n", (end.tv_sec - start.tv_sec) * 1000000000LL + (end.tv_nsec - start.tv_nsec),
               answered_bytes);
        fflush(stdout);
    }
    fprintf(stderr, "%llu bytes of data\n", data_bytes);
    return 0;
}
