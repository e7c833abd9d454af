#include "tests/conformance/generate.h"
#include "tests/conformance/make.h"

void generate_storage(struct world *w) { (void)w; }
void generate_volumes(struct world *w, cJSON *pod, bool pending) { (void)w, (void)pod, (void)pending; }
