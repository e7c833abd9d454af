/*
 * settings_profiles.h - the section `profiles` of the configuration: one profile for each scheduler name. Private to settings.c.
 */
#ifndef SCHED_SETTINGS_PROFILES_H
#define SCHED_SETTINGS_PROFILES_H

#include "sched/settings.h"

/*
 * Fills `profiles` from the top level and the section. Names that are given win; else the profiles are the names; else the default name
 * is.
 */
int settings_read_profiles(struct settings *s, struct lm_err *err);
void settings_print_profiles(const struct settings *s, FILE *to);

#endif
