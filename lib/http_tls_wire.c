#include "lib/http_tls_wire.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define ALERT 21			/* types of records */
#define HANDSHAKE 22
#define ENCRYPTED 23
#define ALERT_BYTES 2
#define ENCRYPTED_ALERT_BYTES 19	/* with its type and a tag of 16 bytes */

static const char plain_answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: 46\r\n\r\n"
				   "this port speaks TLS: https:// is wanted here\n";

bool http_tls_wire_is_other(const struct http_tls_wire *wire)
{
	return wire->first_count > 0 && wire->first[0] != HANDSHAKE;
}

bool http_tls_wire_is_http(const struct http_tls_wire *wire)
{
	static const char *const methods[] = {"GET /", "POST ", "HEAD ", "PUT /", "OPTIO", "DELET", "PATCH", "PRI *"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(methods); i++)
		if (wire->first_count == HTTP_TLS_WIRE_FIRST && memcmp(wire->first, methods[i], HTTP_TLS_WIRE_FIRST) == 0)
			return true;
	return false;
}

void http_tls_wire_drain(struct http_tls_wire *wire)
{
	wire->drain_until_mono_ms = clock_mono_ms() + HTTP_TLS_WIRE_DRAIN_MS;
	shutdown(wire->fd, SHUT_WR);
}

/* As recv, but that what comes is never seen. */
static ssize_t drain(const struct http_tls_wire *wire)
{
	char block[4096];
	ssize_t got;

	do {
		got = recv(wire->fd, block, sizeof(block), MSG_DONTWAIT);
	} while (got > 0 && clock_mono_ms() < wire->drain_until_mono_ms);
	return got > 0 ? 0 : got;
}

static void note_first(struct http_tls_wire *wire, const unsigned char *bytes, size_t count)
{
	size_t room = HTTP_TLS_WIRE_FIRST - wire->first_count, part = count < room ? count : room;

	if (room == 0)
		return;
	memcpy(wire->first + wire->first_count, bytes, part);
	wire->first_count += (unsigned)part;
	if (!http_tls_wire_is_http(wire))
		return;
	send(wire->fd, plain_answer, strlen(plain_answer), MSG_NOSIGNAL | MSG_DONTWAIT);
	http_tls_wire_drain(wire);
}

/* In TLS 1.3 all records look alike but for their length, and no other message of a handshake is as short as an alert. */
static void note_header(struct http_tls_wire *wire)
{
	const unsigned char *header = wire->record.header;

	wire->record.count = 0;
	wire->record.left = (unsigned)header[3] << 8 | header[4];
	wire->alert |= header[0] == ALERT || (header[0] == ENCRYPTED && wire->record.left == ENCRYPTED_ALERT_BYTES);
}

/* Each record's header, and the second byte of a plain alert. */
static void note_records(struct http_tls_wire *wire, const unsigned char *bytes, size_t count)
{
	for (; count > 0; bytes++, count--) {
		if (wire->record.left) {
			if (--wire->record.left == 0 && wire->record.header[0] == ALERT && wire->record.header[4] == ALERT_BYTES)
				wire->alert_code = *bytes;
			continue;
		}
		wire->record.header[wire->record.count++] = *bytes;
		if (wire->record.count == HTTP_TLS_WIRE_FIRST)
			note_header(wire);
	}
}

static ssize_t pull(gnutls_transport_ptr_t pointer, void *data, size_t size)
{
	struct http_tls_wire *wire = pointer;
	ssize_t got = wire->drain_until_mono_ms ? drain(wire) : recv(wire->fd, data, size, 0);

	if (got <= 0 || wire->settled)
		return got;
	note_first(wire, data, (size_t)got);
	note_records(wire, data, (size_t)got);
	return wire->drain_until_mono_ms ? drain(wire) : got;
}

static ssize_t push(gnutls_transport_ptr_t pointer, const void *data, size_t size)
{
	const struct http_tls_wire *wire = pointer;

	return send(wire->fd, data, size, MSG_NOSIGNAL);
}

static int wait_for_more(gnutls_transport_ptr_t pointer, unsigned timeout_ms)
{
	const struct http_tls_wire *wire = pointer;
	struct pollfd fd = {.fd = wire->fd, .events = POLLIN};

	return poll(&fd, 1, timeout_ms == GNUTLS_INDEFINITE_TIMEOUT ? -1 : (int)timeout_ms);
}

void http_tls_wire_attach(struct http_tls_wire *wire, gnutls_session_t session, int fd)
{
	*wire = (struct http_tls_wire){.fd = fd};
	gnutls_transport_set_ptr(session, wire);
	gnutls_transport_set_pull_function(session, pull);
	gnutls_transport_set_push_function(session, push);
	gnutls_transport_set_pull_timeout_function(session, wait_for_more);
}
