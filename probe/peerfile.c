#include "probe/peerfile.h"

#include <fcntl.h>
#include <string.h>

static int enter(struct peerfile *f, enum peerfile_state state, bool *is_new)
{
	*is_new = !f->looked || f->state != state;
	f->looked = true;
	f->state = state;
	return -1;
}

int peerfile_look(struct peerfile *f, struct peers *out, bool *is_new, struct lm_err *err)
{
	struct file_text text;
	bool same;

	if (file_read(AT_FDCWD, f->path, PEERS_MAX_BYTES, FILE_FOLLOW, &text, err) < 0) {
		file_text_free(&text);
		return enter(f, err->code == LM_DATA ? PEERFILE_BAD : PEERFILE_MISSING, is_new);
	}
	same = f->text.data && f->text.len == text.len && memcmp(f->text.data, text.data, text.len) == 0;
	if (same && f->state == PEERFILE_GOOD) {
		file_text_free(&text);
		return 0;
	}
	file_text_free(&f->text);
	f->text = text;
	if (peers_parse(text.data, text.len, out, err) < 0) {
		lm_wrap(err, "`%s`", f->path);
		enter(f, PEERFILE_BAD, is_new);
		*is_new = *is_new || !same;
		return -1;
	}
	enter(f, PEERFILE_GOOD, is_new);
	return 1;
}

void peerfile_free(struct peerfile *f)
{
	file_text_free(&f->text);
}
