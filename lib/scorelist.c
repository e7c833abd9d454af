#include "lib/scorelist.h"

#include <math.h>

double scorelist_latency(double rtt_us)
{
	return isnan(rtt_us) ? rtt_us : fmin(1, rtt_us / SCORELIST_FAR_US);
}

void scorelist_add(struct buf *out, const char *hostname, double cpu, double latency)
{
	buf_str(out, out->len ? ",\n " : "[");
	buf_str(out, "{\"hostname\":");
	buf_json_string(out, hostname);
	buf_str(out, ",\"cpuEwmaScore\":");
	buf_decimal(out, cpu, 4);
	buf_str(out, ",\"latencyEwmaScore\":");
	buf_decimal(out, latency, 6);
	buf_str(out, ",\"better\":\"lower\"}");
}

void scorelist_end(struct buf *out)
{
	buf_str(out, out->len ? "]\n" : "[]\n");
}
