/* Handing a matrix to another process as a sealed memfd, and the checks of who receives it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/matrix_block.h"
#include "lib/mem.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)
#define VALUE_MAX 1e9f			/* above the cost of any pair: a minute, its jitter and full loss */
#define AGE_MAX 1.1e10f
#define TRAFFIC_MAX (2 * (float)SNAPSHOT_RATE_MAX)
#define FLAGS (PAIR_HERE | PAIR_THERE | PAIR_HERE_LOST | PAIR_THERE_LOST)

int matrix_to_memfd(const struct matrix *m, int *out, struct lm_err *err)
{
	auto_close int fd = memfd_create("latency-matrix", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t done = 0;

	if (fd < 0)
		return lm_fail_errno(err, "memfd_create");
	while (done < m->at.size) {
		ssize_t put = write(fd, m->block + done, m->at.size - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return lm_fail_errno(err, "write a matrix of %zu bytes to a memfd", m->at.size);
		done += (size_t)put;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return lm_fail_errno(err, "seal a memfd");
	*out = fd;
	fd = -1;
	return 0;
}

/* NaN passes both comparisons; so nothing but NaN and 0..max is left. */
static bool all_in(const struct matrix *m, size_t at, size_t count, float max)
{
	const float *values = matrix_part(m, at);
	size_t bad = 0, i;

	for (i = 0; i < count; i++)
		bad += (size_t)(values[i] < 0) + (size_t)(values[i] > max);
	return bad == 0;
}

static bool flags_known(const struct matrix *m, size_t at, size_t count, uint8_t known)
{
	const uint8_t *flags = matrix_part(m, at);
	uint8_t seen = 0;
	size_t i;

	for (i = 0; i < count; i++)
		seen |= flags[i];
	return (seen & ~known) == 0;
}

/* Nobody is a witness of itself. */
static bool witnesses_are_sound(const struct matrix *m)
{
	const uint32_t *witnesses = matrix_part(m, m->at.witnesses);
	uint32_t bad = 0, i;

	for (i = 0; i < matrix_nodes(m); i++)
		bad += witnesses[i] >= matrix_nodes(m);
	return bad == 0;
}

static bool numbers_are_sound(const struct matrix *m)
{
	size_t n = matrix_nodes(m), c = matrix_clients(m), half = n ? n * (n - 1) / 2 : 0;

	return all_in(m, m->at.age, n, AGE_MAX) && all_in(m, m->at.cpu, n, 1) && all_in(m, m->at.rtt, n * n, VALUE_MAX) &&
	       all_in(m, m->at.cost, n * n, VALUE_MAX) && all_in(m, m->at.client_rtt, c * n, VALUE_MAX) &&
	       all_in(m, m->at.client_cost, c * n, VALUE_MAX) && all_in(m, m->at.jitter, half, VALUE_MAX) &&
	       all_in(m, m->at.loss, half, 1) && flags_known(m, m->at.pair, n * n, FLAGS) &&
	       flags_known(m, m->at.client_pair, c * n, FLAGS | PAIR_ESTIMATE) && all_in(m, m->at.traffic, n, TRAFFIC_MAX) &&
	       all_in(m, m->at.lost, n, AGE_MAX) && witnesses_are_sound(m) &&
	       all_in(m, m->at.entry_rate, matrix_entries(m), (float)SNAPSHOT_RATE_MAX);
}

/* Every name ends within the block and is a valid one. */
static bool names_are_sound(const struct matrix *m)
{
	const uint32_t *name_at = matrix_part(m, m->at.name_at);
	uint64_t bytes = matrix_header(m)->names_bytes;
	const char *names = matrix_part(m, m->at.names);
	uint32_t i;

	if (names[bytes - 1] != '\0')
		return false;
	for (i = 0; i < matrix_nodes(m) + matrix_clients(m) + matrix_entries(m); i++)
		if (name_at[i] >= bytes || !name_is_valid(names + name_at[i]))
			return false;
	return true;
}

/* With at most `count` used slots of twice as many, each search meets an empty one. */
static bool slots_are_sound(const struct matrix *m, size_t at, uint32_t count)
{
	const uint32_t *slots = matrix_part(m, at);
	uint32_t used = 0, i;

	for (i = 0; i < matrix_slot_count(count); i++) {
		if (slots[i] > count)
			return false;
		used += slots[i] != 0;
	}
	return used <= count;
}

static bool header_is_sound(const struct matrix_header *h, size_t size)
{
	if (h->magic != MATRIX_MAGIC || h->nodes > SNAPSHOT_MAX_NODES || h->clients > SNAPSHOT_MAX_CLIENTS ||
	    h->entries > SNAPSHOT_MAX_NODES)
		return false;
	if (h->names_bytes < 1 || h->names_bytes > (uint64_t)(2 * SNAPSHOT_MAX_NODES + SNAPSHOT_MAX_CLIENTS) * (NAME_MAX_BYTES + 1) + 1)
		return false;
	if (!(h->period_s >= 1 && h->period_s <= 1e6) || !(h->worst_us >= 0 && h->worst_us <= (double)VALUE_MAX) || h->is_plain > 1)
		return false;
	if (h->entry_age_s < 0 || h->entry_age_s > (double)AGE_MAX)
		return false;
	if (!memchr(h->epoch, '\0', SNAPSHOT_EPOCH_MAX + 1))
		return false;
	return matrix_layout(h->nodes, h->clients, h->entries, h->names_bytes).size == size;
}

static bool is_sound(struct matrix *m, size_t size)
{
	const struct matrix_header *h = matrix_header(m);

	if (!header_is_sound(h, size))
		return false;
	m->at = matrix_layout(h->nodes, h->clients, h->entries, h->names_bytes);
	return names_are_sound(m) && slots_are_sound(m, m->at.node_slots, h->nodes) &&
	       slots_are_sound(m, m->at.client_slots, h->clients) && numbers_are_sound(m);
}

int matrix_from_memfd(int fd, struct matrix **out, struct lm_err *err)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct matrix *m;
	struct stat st;
	void *block;
	size_t size;

	if (seals < 0 || (seals & SEALS) != SEALS)
		return lm_fail(err, LM_DATA, "a matrix that is no sealed memfd");
	if (fstat(fd, &st) < 0)
		return lm_fail_errno(err, "stat a memfd");
	size = (size_t)st.st_size;
	if (st.st_size < (off_t)sizeof(struct matrix_header))
		return lm_fail(err, LM_DATA, "a matrix of %zu bytes", size);
	block = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (block == MAP_FAILED)
		return lm_fail_errno(err, "map a matrix of %zu bytes", size);
	m = xcalloc(1, sizeof(*m));
	*m = (struct matrix){.references = 1, .is_mapped = true, .block = block};
	if (!is_sound(m, size)) {
		munmap(block, size);
		cleanup_free(&m);
		return lm_fail(err, LM_DATA, "a matrix of %zu bytes that does not hold together", size);
	}
	*out = m;
	return 0;
}
