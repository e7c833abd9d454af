#include "probe/privilege.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void privilege_drop(bool keep_raw)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	uint32_t keep = keep_raw ? 1u << CAP_NET_RAW : 0;

	if (geteuid() == 0)
		keep |= 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_capget, &header, data) < 0)
		return;
	data[0].permitted &= keep;
	data[0].effective = data[0].permitted;
	data[0].inheritable = 0;
	data[1] = (struct __user_cap_data_struct){0};
	syscall(SYS_capset, &header, data);
}
