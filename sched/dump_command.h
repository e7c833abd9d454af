/*
 * dump_command.h - `latency-sched dump`: asks a running scheduler for a dump (dump.h) and prints it, where there is no shell to do it with:
 *
 *	kubectl exec deploy/my-latency-scheduler -- /usr/bin/latency-sched dump >cluster.json
 *	kubectl exec deploy/my-latency-scheduler -- /usr/bin/latency-sched dump --matrix >cluster-latency.json
 *
 * The first sends SIGUSR1 and waits until the file is another one than before; a dump that was under way counts. The second asks for nothing: it
 * prints the matrix of the last dump, so that both files are of one moment. Nothing else is sent to a process that would not take it as a request.
 *
 * The folder is what the scheduler's own command line, configuration file and environment say, of which the environment is taken from this process:
 * in a container it is the same. Relative paths are not resolved: --folder.
 *
 * Exit codes: 0 printed, 64 usage, 66 no such process or no dump so far, 69 no dump in time, 74 it could not be printed, 77 not allowed to ask or
 * to read, 78 the scheduler runs without --dump, or what it was told cannot be read again.
 */
#ifndef SCHED_DUMP_COMMAND_H
#define SCHED_DUMP_COMMAND_H

int dump_command_main(int argc, char **argv);

#endif
