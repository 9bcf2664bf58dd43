/*
 * Load for the bench of conntrack's events: opens and closes TCP connections over loopback, one after the
 * other. connection-generator RATE SECONDS; a rate of 0 means as fast as possible.
 * Prints: connections, nanoseconds from the first to the last, nanoseconds spent on connections (not waiting).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void fail(const char *what) {
	perror(what);
	exit(1);
}

int main(int count, char **words) {
	if (count != 3) return 2;
	long rate = atol(words[1]);
	long long length = (long long)(atof(words[2]) * 1e9);
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t bytes = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, (void *)&address, sizeof address) || listen(listener, 128)) fail("listen");
	if (getsockname(listener, (void *)&address, &bytes)) fail("getsockname");
	/* Reset both ends, so that no TIME_WAIT occupies the ports. */
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	long long start = now(), busy = 0, opened = 0, at = start;
	while (at - start < length) {
		/* Use another address each time, so that no connection reuses a tuple: 127.1.0.0/16. */
		address.sin_addr.s_addr = htonl(0x7f010000 | (opened & 0xffff));
		int client = socket(AF_INET, SOCK_STREAM, 0);
		if (client < 0 || connect(client, (void *)&address, sizeof address)) fail("connect");
		int server = accept(listener, NULL, NULL);
		if (server < 0) fail("accept");
		setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		setsockopt(server, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(client);
		close(server);
		opened++;
		long long done = now();
		busy += done - at;
		if (rate > 0) {
			long long next = start + opened * 1000000000LL / rate;
			if (next > done) {
				struct timespec until = {next / 1000000000LL, next % 1000000000LL};
				while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) ;
			}
		}
		at = now();
	}
	printf("%lld %lld %lld\n", opened, at - start, busy);
	return 0;
}
