/*
 * authority.h - certificates for tests of TLS, made by `openssl` in a folder: NAME.pem and NAME.key, elliptic curves, for they are quick.
 *
 *	authority_make(folder, "ca");
 *	authority_issue(folder, "ca", &(struct authority_wish){.name = "server", .days = 2, .extensions = "subjectAltName=IP:127.0.0.1"});
 */
#ifndef TESTS_AUTHORITY_H
#define TESTS_AUTHORITY_H

struct authority_wish {
	const char *name;		/* of the files, and CN */
	const char *common_name;	/* NULL: name */
	int days;			/* valid from now; negative: it ended so long ago */
	const char *extensions;		/* lines of an extension file; NULL: none */
};

void authority_make(const char *folder, const char *name);
void authority_issue(const char *folder, const char *ca, const struct authority_wish *wish);
/* `openssl` with these words in the folder; fails the test when that fails. */
void authority_openssl(const char *folder, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
