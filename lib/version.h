/*
 * version.h - the version of this build, as git describes it. The one object that knows it is made anew with each commit, and no other.
 */
#ifndef LIB_VERSION_H
#define LIB_VERSION_H

extern const char lm_version[];

#endif
