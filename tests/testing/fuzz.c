#include "tests/testing/fuzz.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"

#define INPUT_MAX 65536
#define STEPS_MAX 6			/* changes to an input at once */

static const char *const *corpus;	/* NULL-terminated; NULL: none */
static bool own_driver;

/* Weak: libFuzzer brings its own main, a target need not have a corpus. */
#pragma weak LLVMFuzzerInitialize
int main(int argc, char **argv) __attribute__((weak));

void fuzz_begin(int *argc, char ***argv, const char *const *texts)
{
	char **longer;
	int i;

	corpus = texts;
	if (own_driver)
		return;
	longer = xcalloc((size_t)*argc + 2, sizeof(*longer));
	memcpy(longer, *argv, (size_t)*argc * sizeof(*longer));
	longer[*argc] = xstrdup(test_folder());
	for (i = 0; texts[i]; i++) {
		auto_free char *path = xasprintf("%s/%d", longer[*argc], i);

		test_write(path, texts[i]);
	}
	*argv = longer;
	++*argc;
}

static uint64_t now_running;

static void on_crash(int number)
{
	char text[128];
	int len = snprintf(text, sizeof(text), "# signal %d, to repeat it: -s %llu -n 1\n", number, (unsigned long long)now_running);
	ssize_t ignored = write(STDERR_FILENO, text, (size_t)len);

	(void)ignored;
	signal(number, SIG_DFL);
	raise(number);
}

/* At the exact size on the heap, so that a sanitizer sees the first byte behind it. */
static void run(const char *bytes, size_t len)
{
	auto_free char *copy = xmalloc(len);

	memcpy(copy, bytes, len);
	LLVMFuzzerTestOneInput((const uint8_t *)copy, len);
}

static const char *pick_text(struct rng *rng)
{
	size_t count = 0;

	while (corpus && corpus[count])
		count++;
	return count ? corpus[rng_below(rng, (uint32_t)count)] : "{}";
}

static void replace(struct buf *b, size_t at, size_t gone, const char *with, size_t len)
{
	struct buf next = {0};

	buf_add(&next, b->data, at);
	buf_add(&next, with, len);
	buf_add(&next, b->data + at + gone, b->len - at - gone);
	buf_free(b);
	*b = next;
}

static void mutate_once(struct buf *b, struct rng *rng)
{
	static const char *const words[] = {"{", "}", "[", "]", ",", ":", "\"", "\\", "null", "-", "0", "1e999", "1e308", "-0", "1.", "00", "\\u0000", "\\ud800",
					    "\xff", "\xef\xbb\xbf", " ", "\n", "99999999999999999999", "0.1", "true", "[[", "]]", "\"a\":1,", "e5", "1e-320"};
	size_t at = rng_below(rng, (uint32_t)b->len + 1), left = b->len - at;
	size_t some = left ? 1 + rng_below(rng, (uint32_t)(left < 32 ? left : 32)) : 0;
	const char *other = pick_text(rng);
	size_t other_len = strlen(other), other_at = other_len ? rng_below(rng, (uint32_t)other_len) : 0;
	char byte = (char)rng_below(rng, 256);

	switch (rng_below(rng, 7)) {
	case 0:
		if (left)
			b->data[at] = (char)(b->data[at] ^ (1 << rng_below(rng, 8)));
		break;
	case 1:
		replace(b, at, 0, &byte, 1);
		break;
	case 2:
		replace(b, at, some, "", 0);
		break;
	case 3:
		replace(b, at, 0, b->data + at, some);
		break;
	case 4:
		other = words[rng_below(rng, ARRAY_SIZE(words))];
		replace(b, at, rng_chance(rng, 0.5) && left ? 1 : 0, other, strlen(other));
		break;
	case 5: /* the rest of another */
		replace(b, at, rng_chance(rng, 0.5) ? left : some, other + other_at, other_len - other_at);
		break;
	default:
		if (rng_chance(rng, 0.2))
			replace(b, at, left, "", 0);
	}
}

static void run_random(uint64_t seed)
{
	struct rng rng = rng_make(seed);
	const char *text = pick_text(&rng);
	struct buf b = {0};
	uint32_t steps = 1 + rng_below(&rng, STEPS_MAX);

	now_running = seed;
	buf_str(&b, text);
	while (steps-- > 0 && b.len < INPUT_MAX)
		mutate_once(&b, &rng);
	run(b.data, b.len);
	buf_free(&b);
}

static int run_files(char **paths)
{
	for (; *paths; paths++) {
		auto_file FILE *file = fopen(*paths, "re");
		auto_free char *bytes = xmalloc(INPUT_MAX * 16);

		if (!file) {
			perror(*paths);
			return 1;
		}
		run(bytes, fread(bytes, 1, INPUT_MAX * 16, file));
		printf("%s: ok\n", *paths);
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t seed = 0, count = 10000, texts, i;
	int option;

	own_driver = true;
	while ((option = getopt(argc, argv, "s:n:")) != -1) {
		if (option == '?')
			return 64;
		*(option == 's' ? &seed : &count) = strtoull(optarg, NULL, 10);
	}
	signal(SIGABRT, on_crash);
	signal(SIGSEGV, on_crash);
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	if (optind < argc)
		return run_files(argv + optind); /* a NULL ends argv */
	seed = seed ? seed : test_seed();
	for (texts = 0; corpus && corpus[texts]; texts++)
		run(corpus[texts], strlen(corpus[texts]));
	for (i = 0; i < count; i++)
		run_random(seed + i);
	printf("# %llu texts and %llu mutations from seed %llu\n", (unsigned long long)texts, (unsigned long long)count, (unsigned long long)seed);
	return 0;
}
