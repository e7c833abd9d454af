#include "sched/conffile.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/vfs.h>

#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"

#define MAX_BYTES ((size_t)1 << 20)	/* yaml.h's; a larger one is refused anyway */

static bool is_remote(const char *path)
{
	static const unsigned types[] = {NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC, CEPH_SUPER_MAGIC,
					 AFS_SUPER_MAGIC, CODA_SUPER_MAGIC};
	struct statfs fs;
	size_t i;

	if (statfs(path, &fs) < 0)
		return false;
	for (i = 0; i < ARRAY_SIZE(types); i++)
		if ((unsigned)fs.f_type == types[i])
			return true;
	return false;
}

/* FNV-1a; 0 for what cannot be read. */
static uint64_t content_of(const char *path)
{
	auto_file_text struct file_text text = {0};
	uint64_t h = 0xcbf29ce484222325u;
	struct lm_err ignored;
	size_t i;

	if (file_read(AT_FDCWD, path, MAX_BYTES, FILE_FOLLOW, &text, &ignored) < 0)
		return 0;
	for (i = 0; i < text.len; i++)
		h = (h ^ (unsigned char)text.data[i]) * 0x100000001b3u;
	return h;
}

void conffile_open(struct conffile *f, const char *path, int64_t mono_ms)
{
	bool remote = path && is_remote(path);

	if (remote)
		log_warn("the configuration file is on a network file system: it is read again after SIGHUP only", FIELDS(LS("file", path)));
	*f = (struct conffile){.path = remote ? NULL : xstrdup(path), .next_mono_ms = mono_ms + CONFFILE_LOOK_MS};
	conffile_known(f);
}

void conffile_close(struct conffile *f)
{
	free(f->path);
	*f = (struct conffile){0};
}

bool conffile_changed(struct conffile *f, int64_t mono_ms)
{
	uint64_t before = f->last;

	if (!f->path || mono_ms < f->next_mono_ms)
		return false;
	f->next_mono_ms = mono_ms + CONFFILE_LOOK_MS;
	f->last = content_of(f->path);
	if (f->last != before || f->last == f->known)
		return false;
	f->known = f->last;
	return true;
}

void conffile_known(struct conffile *f)
{
	if (f->path)
		f->known = f->last = content_of(f->path);
}
