/* libtelnet's events for inputs that come as a length, the length of the first read, and bytes; a line each, then ".". */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <libtelnet.h>

static void hex(const char *bytes, size_t length) {
    for (size_t at = 0; at < length; at++)
        printf("%02x", (unsigned char)bytes[at]);
    putchar('\n');
}

static void on_event(telnet_t *telnet, telnet_event_t *event, void *user) {
    (void)telnet;
    (void)user;
    switch (event->type) {
    case TELNET_EV_DATA:
        printf("data ");
        hex(event->data.buffer, event->data.size);
        break;
    case TELNET_EV_IAC:
        printf("command %d\n", event->iac.cmd);
        break;
    case TELNET_EV_WILL:
        printf("will %d\n", event->neg.telopt);
        break;
    case TELNET_EV_WONT:
        printf("wont %d\n", event->neg.telopt);
        break;
    case TELNET_EV_DO:
        printf("do %d\n", event->neg.telopt);
        break;
    case TELNET_EV_DONT:
        printf("dont %d\n", event->neg.telopt);
        break;
    case TELNET_EV_SUBNEGOTIATION:
        printf("payload %d ", event->sub.telopt);
        hex(event->sub.buffer, event->sub.size);
        break;
    /* What it makes of a payload is not about framing. */
    default:
        break;
    }
}

int main(void) {
    static const telnet_telopt_t none[] = {{-1, 0, 0}};
    uint32_t head[2];
    while (fread(head, sizeof head, 1, stdin) == 1) {
        char *input = malloc(head[0] + 1);
        if (!input || fread(input, 1, head[0], stdin) != head[0])
            return 1;
        telnet_t *telnet = telnet_init(none, on_event, TELNET_FLAG_PROXY, NULL);
        telnet_recv(telnet, input, head[1]);
        telnet_recv(telnet, input + head[1], head[0] - head[1]);
        telnet_free(telnet);
        free(input);
        puts(".");
        fflush(stdout);
    }
    return 0;
}
