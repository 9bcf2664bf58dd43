/* Opens short TCP connections over loopback: generator PORT RATE SECONDS; a rate of 0 means as fast as possible. Each
 * client repeatedly connects, sends 100 bytes, reads 50 and closes. Prints a line once servers listen; begins once standard
 * input has a line, and prints at the end: connections, nanoseconds from the first to the last, nanoseconds that clients
 * spent on connections (not waiting), nanoseconds of CPU of clients and servers. Ends after another line. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Servers wait until their client closes, so there must be more of them than clients. */
enum { CLIENTS = 4, SERVERS = 8, ADDRESSES = 8, SENT = 100, ANSWERED = 50 };

struct totals {
  unsigned long long made, busy;
};

static char bytes[SENT];

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

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

static void sleep_until(long long at) {
  struct timespec until = {at / 1000000000LL, at % 1000000000LL};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
  }
}

static void talk(unsigned port, long rate, long long length, unsigned self, struct totals *totals) {
  long long start = now(), busy = 0;
  unsigned long long made = 0;
  for (unsigned turn = self; now() - start < length; turn++) {
    long long begin = now();
    int client = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in server = address_of(1 + turn % ADDRESSES, port);
    if (client < 0 || connect(client, (struct sockaddr *)&server, sizeof server) < 0) {
      if (client >= 0) close(client);
      /* Out of ports for a moment: the kernel does not count this attempt. */
      usleep(1000);
      continue;
    }
    send(client, bytes, SENT, MSG_NOSIGNAL);
    whole(client, ANSWERED);
    close(client);
    busy += now() - begin;
    made++;
    if (rate > 0) sleep_until(start + (long long)made * CLIENTS * 1000000000LL / rate);
  }
  __atomic_add_fetch(&totals->made, made, __ATOMIC_RELAXED);
  __atomic_add_fetch(&totals->busy, busy, __ATOMIC_RELAXED);
}

static long long cpu_of(pid_t pid) {
  clockid_t clock;
  struct timespec time;
  if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time)) return 0;
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long cpu_of_children(void) {
  struct rusage usage;
  getrusage(RUSAGE_CHILDREN, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000LL +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
}

int main(int count, char **words) {
  if (count != 4) return 2;
  unsigned port = atoi(words[1]);
  long rate = atol(words[2]);
  long long length = (long long)(atof(words[3]) * 1e9);
  struct totals *totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  prctl(PR_SET_NAME, "short-server");
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (bind(listener, (struct sockaddr *)&any, sizeof any) < 0 || listen(listener, 4096) < 0) return 1;
  pid_t pids[SERVERS];
  for (int i = 0; i < SERVERS; i++)
    if ((pids[i] = fork()) == 0) serve(listener);
  puts("listens");
  fflush(stdout);
  getchar();
  long long start = now();
  for (int i = 0; i < CLIENTS; i++)
    if (fork() == 0) {
      /* Only servers hold the listener. */
      close(listener);
      prctl(PR_SET_NAME, "short-client");
      talk(port, rate, length, i, totals);
      _exit(0);
    }
  for (int i = 0; i < CLIENTS; i++) wait(NULL);
  long long elapsed = now() - start, cpu = cpu_of_children();
  for (int i = 0; i < SERVERS; i++) cpu += cpu_of(pids[i]);
  printf("%llu %lld %llu %lld\n", totals->made, elapsed, totals->busy, cpu);
  fflush(stdout);
  getchar();
  for (int i = 0; i < SERVERS; i++) kill(pids[i], SIGKILL);
  return 0;
}
