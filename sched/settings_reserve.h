/* settings_reserve.h - what the configuration says of the reserve beyond what the table of options can check. Private to settings*.c. */
#ifndef SCHED_SETTINGS_RESERVE_H
#define SCHED_SETTINGS_RESERVE_H

#include "sched/settings.h"

/* Names, reserve.most as a number, reserve.owner's form. LM_CONFIG that names the option and quotes what is wrong. */
int settings_read_reserve(struct settings *s, struct lm_err *err);

#endif
