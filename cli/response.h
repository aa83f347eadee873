/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/response.h - reading HTTP/1.1 responses piece by piece, writing requests
 */
#ifndef MULLION_CLI_RESPONSE_H
#define MULLION_CLI_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The whole head of a response (status line and header lines) must fit. */
#define MULLION_RESPONSE_HEAD_MAX 16384

enum mullion_response_state {
	MULLION_RESPONSE_HEAD,
	MULLION_RESPONSE_LENGTH,		/* a body of known length */
	MULLION_RESPONSE_UNTIL_CLOSE,	/* a body that ends with the connection */
	MULLION_RESPONSE_CHUNK_SIZE,
	MULLION_RESPONSE_CHUNK_DATA,
	MULLION_RESPONSE_CHUNK_END,
	MULLION_RESPONSE_TRAILER,
	MULLION_RESPONSE_DONE,
	MULLION_RESPONSE_UPGRADED,		/* 101: what follows is not HTTP */
	MULLION_RESPONSE_FAILED,
};

/**
 * struct mullion_response - a response on its way in
 * @state: where the reader is
 * @status: 100 to 599 once the head was read, before that 0
 * @body: called with each piece of the body; a negative return value stops the
 *	reader and is returned by mullion_response_feed()
 * @arg: for @body
 *
 * The rest is the reader's own.
 */
struct mullion_response {
	enum mullion_response_state state;
	int status;
	int (*body)(void *arg, const char *data, size_t len);
	void *arg;

	int error;
	bool chunked;
	bool has_length;
	uint64_t left;
	size_t line_len;
	size_t head_len;
	char line[2048];
};

/**
 * mullion_response_init() - make ready for one response
 * @response: the reader
 * @body: see struct mullion_response; may be NULL
 * @arg: for @body
 */
void mullion_response_init(struct mullion_response *response,
		       int (*body)(void *arg, const char *data, size_t len), void *arg);

/**
 * mullion_response_feed() - read more of the response
 * @response: the reader
 * @data: what came from the peer, @len bytes
 * @ret_used: how many bytes belong to the response; fewer than @len only when
 *	the response has ended or the protocol was switched
 *
 * Return: 1 if the response is complete or upgraded, 0 if more is needed,
 * -EPROTO if the peer does not speak HTTP/1.1, -E2BIG if its head is too long,
 * or what @response->body returned.  After a failure every call returns it again.
 */
int mullion_response_feed(struct mullion_response *response, const char *data, size_t len,
			  size_t *ret_used);

/**
 * mullion_response_finish() - the peer closed the connection
 *
 * Return: 0 if the response is complete, -ECONNRESET if it was cut off.
 */
int mullion_response_finish(struct mullion_response *response);

/**
 * mullion_request_head() - write the head of a request
 * @method: "GET", ...
 * @path: path and query, already escaped
 * @upgrade: protocol to switch to, or NULL
 * @type: content type of the body, or NULL if there is none
 * @length: of the body, in bytes
 *
 * Return: an allocated string for the caller to free, NULL without memory.
 */
char *mullion_request_head(const char *method, const char *path, const char *upgrade,
			   const char *type, size_t length);

/**
 * mullion_request_escape() - percent-encode one path segment
 *
 * Return: an allocated string for the caller to free, NULL without memory.
 */
char *mullion_request_escape(const char *segment);

#endif
