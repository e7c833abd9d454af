#include "probe/signals.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "lib/clock.h"

static bool stop;

static void fill(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
}

void signals_block(void)
{
	sigset_t set;

	fill(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool signals_wait(int64_t until_us)
{
	sigset_t set;

	fill(&set);
	while (!stop) {
		int64_t left_us = until_us - clock_mono_us();
		struct timespec wait = {0};

		if (left_us > 0)
			wait = (struct timespec){.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};
		if (sigtimedwait(&set, NULL, &wait) > 0)
			stop = true;
		else if (left_us <= 0)
			break;
	}
	return stop;
}
