/*
 * lab-guard SECONDS PROGRAM WORDS...: runs a user-mode-linux kernel so that nothing of it is left, whatever happens.
 *
 * The kernel is a few dozen processes in a session of its own; killing its first process leaves the others for ever. The guard
 * adopts orphans, and at the end of the program, at SIGTERM, SIGINT or SIGHUP, at its time limit, and when the script that
 * started it dies (also by SIGKILL), it kills the kernel's group and waits until no process is left. It stands in a process
 * group of its own, so that a signal to the script's whole group cannot end the guard before its work.
 *
 * Exit status: the program's; 137 at the limit; 128 + signal.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"

#define LAST_WAIT_S 10

static pid_t start(char **argv, const sigset_t *caught)
{
	pid_t child = fork();

	if (child != 0)
		return child;
	sigprocmask(SIG_UNBLOCK, caught, NULL);
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

/* Waits for the program's end (true, with its status) or a signal or the limit. */
static bool ended_by_itself(pid_t child, const sigset_t *caught, time_t limit_s, int *status)
{
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += limit_s;
	for (;;) {
		struct timespec left;
		int got;
		pid_t pid;

		while ((pid = waitpid(-1, status, WNOHANG)) > 0)
			if (pid == child)
				return true;
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = (struct timespec){.tv_sec = end.tv_sec - now.tv_sec};
		got = left.tv_sec > 0 ? sigtimedwait(caught, NULL, &left) : -1;
		if (got > 0 && got != SIGCHLD) {
			*status = 128 + got;
			return false;
		}
		if (got < 0 && now.tv_sec >= end.tv_sec) {
			*status = 137;
			return false;
		}
	}
}

static void kill_all(pid_t child)
{
	for (int tries = 0; tries < LAST_WAIT_S * 100; tries++) {
		kill(-child, SIGKILL);
		kill(child, SIGKILL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
		if (waitpid(-1, NULL, WNOHANG) < 0)
			return;
		usleep(10000);
	}
	fprintf(stderr, "lab-guard: processes of group %d are left\n", (int)child);
}

int main(int argc, char **argv)
{
	const int signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
	pid_t parent = getppid(), child;
	sigset_t caught;
	int status;

	if (argc < 3 || atoi(argv[1]) <= 0) {
		fprintf(stderr, "usage: lab-guard SECONDS PROGRAM WORDS...\n");
		return LM_USAGE;
	}
	sigemptyset(&caught);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&caught, signals[i]);
	sigprocmask(SIG_BLOCK, &caught, NULL);
	setpgid(0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		return 128 + SIGTERM;
	child = start(argv + 2, &caught);
	if (child < 0) {
		perror("lab-guard");
		return LM_IO;
	}
	if (ended_by_itself(child, &caught, atoi(argv[1]), &status))
		status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	kill_all(child);
	return status;
}
