/* Connects to PORT of this machine, asks for one encoding, and writes the pixels of the first whole update to standard output. */
#include <rfb/rfbclient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int finished;

static void update_finished(rfbClient *client) {
    (void)client;
    finished = 1;
}

static void log_nothing(const char *format, ...) {
    (void)format;
}

int main(int argc, char **argv) {
    if (argc != 4) return 64;
    rfbClientLog = log_nothing;
    int bytes = atoi(argv[2]);
    rfbClient *client = rfbGetClient(bytes == 4 ? 8 : bytes == 2 ? 5 : 2, 3, bytes);
    client->serverHost = strdup("127.0.0.1");
    client->serverPort = atoi(argv[1]);
    client->appData.encodingsString = argv[3];
    client->FinishedFrameBufferUpdate = update_finished;
    int no_arguments = 0;
    if (!rfbInitClient(client, &no_arguments, NULL)) return 1;
    while (!finished) {
        int ready = WaitForMessage(client, 10 * 1000 * 1000);
        if (ready <= 0) return 2;
        if (!HandleRFBServerMessage(client)) return 3;
    }
    size_t size = (size_t)client->width * client->height * bytes;
    return fwrite(client->frameBuffer, 1, size, stdout) == size ? 0 : 4;
}
