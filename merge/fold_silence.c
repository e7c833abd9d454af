/* Who was silent to whom, and for how long. Nothing of it is kept from one fold to the next. */
#include "merge/fold_private.h"

#define SILENCE_SCALE 1e3		/* as many decimals as the file has */

/* How old a report may be whose probe still writes them. */
static double rhythm_s(const struct fold *f, const struct report *report)
{
	double longest_s = report->publish_s > 0 ? report->publish_s : FOLD_FRESH_PERIODS * report->interval_s;

	return fmin(longest_s + 2 * report->interval_s + FOLD_LATE_S, FOLD_FRESH_PERIODS * f->period_s);
}

void fold_take_silence(struct fold *f, uint32_t node, const struct report *report, double age_s)
{
	uint32_t to;

	if (f->rows[node].verdict != FOLD_FRESH || age_s < -FOLD_FUTURE_S || age_s > rhythm_s(f, report))
		return;
	for (to = 0; to < f->nodes.count; to++) {
		if (isnan(f->silent_s[to]))
			continue;
		f->next.lost_s[to] = fmin(f->next.lost_s[to], floor(f->silent_s[to] * SILENCE_SCALE + 0.5) / SILENCE_SCALE);
		f->next.witnesses[to]++;
	}
}
