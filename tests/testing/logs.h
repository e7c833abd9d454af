/*
 * logs.h - what a program in JSON mode may write to its standard streams: whole lines of JSON with time, level and msg, and nothing else, by
 * whichever library.
 */
#ifndef TESTS_LOGS_H
#define TESTS_LOGS_H

int logs_check(const char *text);		/* fails the test, else the number of lines */
int logs_check_file(const char *path);

#endif
