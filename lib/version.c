#include "lib/version.h"

const char lm_version[] = LM_VERSION;
