/* Opens short TCP connections over loopback: generator CLIENTS HOLD_MICROS SECONDS. Each client repeatedly
 * connects, sends 100 bytes, reads 50, waits and closes. Prints the servers' port at once, and the number of
 * connections at the end. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SERVERS = 4, ADDRESSES = 8, SENT = 100, ANSWERED = 50 };

static char bytes[SENT];

static struct sockaddr_in address_of(unsigned host, unsigned port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(0x7f000000u + host);
  return address;
}

static int whole(int socket, int count) {
  for (int have = 0; have < count;) {
    ssize_t got = recv(socket, bytes, count - have, 0);
    if (got <= 0) return 0;
    have += got;
  }
  return 1;
}

static void serve(int listener) {
  for (;;) {
    int peer = accept(listener, NULL, NULL);
    if (peer < 0) continue;
    if (whole(peer, SENT)) send(peer, bytes, ANSWERED, MSG_NOSIGNAL);
    whole(peer, 1);
    close(peer);
  }
}

static void talk(unsigned port, useconds_t hold, time_t until, unsigned self, unsigned long *made) {
  for (unsigned turn = self; time(NULL) < until; turn++) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in server = address_of(1 + turn % ADDRESSES, port);
    if (client < 0 || connect(client, (struct sockaddr *)&server, sizeof server) < 0) {
      if (client >= 0) close(client);
      /* Out of ports for a moment: the kernel does not count this attempt. */
      usleep(1000);
      continue;
    }
    __atomic_add_fetch(made, 1, __ATOMIC_RELAXED);
    send(client, bytes, SENT, MSG_NOSIGNAL);
    whole(client, ANSWERED);
    if (hold > 0) usleep(hold);
    close(client);
  }
}

int main(int count, char **words) {
  if (count != 4) return 2;
  int clients = atoi(words[1]);
  useconds_t hold = strtoul(words[2], NULL, 10);
  int seconds = atoi(words[3]);
  unsigned long *made = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in any = {.sin_family = AF_INET};
  socklen_t length = sizeof any;
  if (bind(listener, (struct sockaddr *)&any, sizeof any) < 0 || listen(listener, 4096) < 0) return 1;
  getsockname(listener, (struct sockaddr *)&any, &length);
  unsigned port = ntohs(any.sin_port);
  printf("%u\n", port);
  fflush(stdout);
  /* Servers wait until their client closes, so there must be as many as clients. */
  int servers = hold > 0 ? clients + 1 : SERVERS + clients;
  pid_t *pids = calloc(servers, sizeof *pids);
  for (int i = 0; i < servers; i++)
    if ((pids[i] = fork()) == 0) serve(listener);
  /* Give the reader time to see the listener. */
  sleep(2);
  time_t until = time(NULL) + seconds;
  for (int i = 0; i < clients; i++)
    if (fork() == 0) {
      talk(port, hold, until, i, made);
      _exit(0);
    }
  for (int i = 0; i < clients; i++) wait(NULL);
  printf("%lu\n", *made);
  fflush(stdout);
  /* Keep the namespace and its listener until standard input has a line. */
  getchar();
  for (int i = 0; i < servers; i++) kill(pids[i], SIGKILL);
  return 0;
}
