/*
 * fuzz.h - one source for two fuzzers. A target is tests/fuzz/f-NAME.c with LLVMFuzzerTestOneInput, which aborts on what must not be, and
 * optionally, once, at file level:
 *
 *	FUZZ_CORPUS("{}", "{\"version\":1}")
 *
 * Built by clang with SANITIZE=fuzzer,... libFuzzer drives it, beginning with that corpus. Built by gcc there is a small driver instead:
 *
 *	f-NAME FILE...			runs files, to repeat a finding
 *	f-NAME [-s SEED] [-n COUNT]	runs the corpus and COUNT mutations of it (10,000)
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Called through FUZZ_CORPUS: lays the texts into a folder and names it on libFuzzer's command line; keeps them for the driver. */
void fuzz_begin(int *argc, char ***argv, const char *const *corpus);

#define FUZZ_CORPUS(...)                                               \
	int LLVMFuzzerInitialize(int *argc, char ***argv)              \
	{                                                              \
		static const char *const corpus[] = {__VA_ARGS__, NULL}; \
		fuzz_begin(argc, argv, corpus);                        \
		return 0;                                              \
	}

#endif
