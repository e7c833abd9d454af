/*
 * xstate.c - preloaded into user-mode-linux 6.1, which otherwise dies at its first process on a processor with AMX: the kernel takes a
 * process's extended registers only whole (11 KB there), and user-mode-linux knows the first 2.7 KB of them. What is missing is left as
 * it is. On other processors nothing changes.
 */
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define NT_X86_XSTATE 0x202
#define HEADER 512		/* of the XSAVE area: its first word has a bit for each part that is in use */
#define KNOWN UINT64_C(0x3ff)	/* the parts of user-mode-linux */

static long set_xstate(pid_t pid, const struct iovec *given)
{
	static _Alignas(64) unsigned char whole[1 << 16];
	struct iovec full = {whole, sizeof(whole)};
	uint64_t now, wanted;

	if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, NT_X86_XSTATE, &full) != 0 || full.iov_len <= given->iov_len)
		return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, given);
	memcpy(&now, whole + HEADER, sizeof(now));
	memcpy(whole, given->iov_base, given->iov_len);
	memcpy(&wanted, whole + HEADER, sizeof(wanted));
	wanted = (wanted & KNOWN) | (now & ~KNOWN);
	memcpy(whole + HEADER, &wanted, sizeof(wanted));
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, &full);
}

/* In place of libc's. Of PEEK requests the kernel's call returns the word through `data`, libc's as its value. */
long ptrace(enum __ptrace_request request, ...)
{
	va_list words;
	long value, result;

	va_start(words, request);
	pid_t pid = va_arg(words, pid_t);
	void *address = va_arg(words, void *);
	void *data = va_arg(words, void *);
	va_end(words);
	if (request == PTRACE_SETREGSET && (uintptr_t)address == NT_X86_XSTATE)
		return set_xstate(pid, data);
	if (request < PTRACE_PEEKTEXT || request > PTRACE_PEEKUSER)
		return syscall(SYS_ptrace, request, pid, address, data);
	result = syscall(SYS_ptrace, request, pid, address, &value);
	return result < 0 ? result : value;
}
