/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/response.c - reading HTTP/1.1 responses piece by piece, writing requests
 *
 * A state machine that is fed whatever arrived.  It keeps one line at most, so
 * its memory is fixed; body bytes are handed on as they come and never kept.
 * It knows what an API on a Unix socket needs: a length, chunks, or the end of
 * the connection delimit the body; 1xx is skipped; 101 ends HTTP.  Header lines
 * that it does not know are ignored; a malformed one that matters, a line over
 * sizeof(line) or a head over MULLION_RESPONSE_HEAD_MAX fails the response for good.
 */
#include "response.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void mullion_response_init(struct mullion_response *response,
		       int (*body)(void *arg, const char *data, size_t len), void *arg)
{
	*response = (struct mullion_response){ .body = body, .arg = arg };
	response->state = MULLION_RESPONSE_HEAD;
}

static int response_fail(struct mullion_response *response, int error)
{
	response->state = MULLION_RESPONSE_FAILED;
	response->error = error;
	return error;
}

/* "HTTP/1.1 200 OK"; the reason may be missing. */
static int response_status_line(struct mullion_response *response, const char *line)
{
	int status = 0;

	if (strncmp(line, "HTTP/1.", 7) || (line[7] != '0' && line[7] != '1') || line[8] != ' ')
		return -EPROTO;
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return -EPROTO;
		status = status * 10 + line[i] - '0';
	}
	if (status < 100 || status > 599 || (line[12] && line[12] != ' '))
		return -EPROTO;
	response->status = status;
	return 0;
}

/* Decimal or hexadecimal digits only: strtoull() would take signs and blanks. */
static int response_number(const char *text, size_t len, unsigned int base, uint64_t *ret)
{
	uint64_t value = 0;

	if (!len)
		return -EPROTO;
	for (size_t i = 0; i < len; i++) {
		unsigned int digit;

		if (text[i] >= '0' && text[i] <= '9')
			digit = text[i] - '0';
		else if (base == 16 && (text[i] | 32) >= 'a' && (text[i] | 32) <= 'f')
			digit = (text[i] | 32) - 'a' + 10;
		else
			return -EPROTO;
		if (value > (UINT64_MAX - digit) / base)
			return -EPROTO;
		value = value * base + digit;
	}
	*ret = value;
	return 0;
}

static int response_header_line(struct mullion_response *response, const char *line)
{
	const char *colon = strchr(line, ':');
	const char *value;
	size_t len;

	if (!colon || colon == line)
		return -EPROTO;
	value = colon + 1 + strspn(colon + 1, " \t");
	len = strlen(value);
	while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;

	if (!strncasecmp(line, "content-length:", 15)) {
		uint64_t length;
		int ret = response_number(value, len, 10, &length);

		if (ret || (response->has_length && length != response->left))
			return -EPROTO;
		response->has_length = true;
		response->left = length;
	} else if (!strncasecmp(line, "transfer-encoding:", 18)) {
		if (len != 7 || strncasecmp(value, "chunked", 7))
			return -EPROTO;
		response->chunked = true;
	}
	return 0;
}

/* The empty line after the head: what comes now? */
static void response_head_end(struct mullion_response *response)
{
	if (response->status == 101) {
		response->state = MULLION_RESPONSE_UPGRADED;
	} else if (response->status < 200) {
		response->status = 0;
		response->has_length = false;
		response->chunked = false;
	} else if (response->status == 204 || response->status == 304) {
		response->state = MULLION_RESPONSE_DONE;
	} else if (response->chunked) {
		response->state = MULLION_RESPONSE_CHUNK_SIZE;
	} else if (response->has_length) {
		response->state = response->left ? MULLION_RESPONSE_LENGTH : MULLION_RESPONSE_DONE;
	} else {
		response->state = MULLION_RESPONSE_UNTIL_CLOSE;
	}
}

static int response_line(struct mullion_response *response, const char *line)
{
	int ret;

	switch (response->state) {
	case MULLION_RESPONSE_HEAD:
		if (!response->status)
			return response_status_line(response, line);
		if (*line)
			return response_header_line(response, line);
		response_head_end(response);
		return 0;
	case MULLION_RESPONSE_CHUNK_SIZE:
		/* An extension after ';' means nothing to us. */
		ret = response_number(line, strcspn(line, "; \t"), 16, &response->left);
		if (ret)
			return ret;
		response->state = response->left ? MULLION_RESPONSE_CHUNK_DATA
						 : MULLION_RESPONSE_TRAILER;
		return 0;
	case MULLION_RESPONSE_CHUNK_END:
		if (*line)
			return -EPROTO;
		response->state = MULLION_RESPONSE_CHUNK_SIZE;
		return 0;
	default:	/* MULLION_RESPONSE_TRAILER */
		if (!*line)
			response->state = MULLION_RESPONSE_DONE;
		return 0;
	}
}

/* Collects a line; CR before LF is optional, NUL inside is refused. */
static int response_take_byte(struct mullion_response *response, char c)
{
	if (response->state == MULLION_RESPONSE_HEAD || response->state == MULLION_RESPONSE_TRAILER)
		if (++response->head_len > MULLION_RESPONSE_HEAD_MAX)
			return -E2BIG;
	if (c != '\n') {
		if (!c)
			return -EPROTO;
		if (response->line_len == sizeof(response->line) - 1)
			return -E2BIG;
		response->line[response->line_len++] = c;
		return 0;
	}
	if (response->line_len && response->line[response->line_len - 1] == '\r')
		response->line_len--;
	response->line[response->line_len] = '\0';
	response->line_len = 0;
	return response_line(response, response->line);
}

static bool response_ended(const struct mullion_response *response)
{
	return response->state == MULLION_RESPONSE_DONE ||
	       response->state == MULLION_RESPONSE_UPGRADED;
}

int mullion_response_feed(struct mullion_response *response, const char *data, size_t len,
			  size_t *ret_used)
{
	size_t at = 0;
	int ret;

	if (response->state == MULLION_RESPONSE_FAILED)
		return response->error;

	while (at < len) {
		size_t piece = len - at;

		switch (response->state) {
		case MULLION_RESPONSE_DONE:
		case MULLION_RESPONSE_UPGRADED:
			*ret_used = at;
			return 1;
		case MULLION_RESPONSE_LENGTH:
		case MULLION_RESPONSE_CHUNK_DATA:
			if (piece > response->left)
				piece = response->left;
			response->left -= piece;
			/* fall through */
		case MULLION_RESPONSE_UNTIL_CLOSE:
			ret = response->body ? response->body(response->arg, data + at, piece) : 0;
			if (ret < 0)
				return response_fail(response, ret);
			at += piece;
			if (response->state == MULLION_RESPONSE_LENGTH && !response->left)
				response->state = MULLION_RESPONSE_DONE;
			else if (response->state == MULLION_RESPONSE_CHUNK_DATA && !response->left)
				response->state = MULLION_RESPONSE_CHUNK_END;
			break;
		default:
			ret = response_take_byte(response, data[at++]);
			if (ret < 0)
				return response_fail(response, ret);
		}
	}
	*ret_used = at;
	return response_ended(response);
}

int mullion_response_finish(struct mullion_response *response)
{
	if (response->state == MULLION_RESPONSE_UNTIL_CLOSE)
		response->state = MULLION_RESPONSE_DONE;
	if (response_ended(response))
		return 0;
	return response_fail(response, -ECONNRESET);
}

char *mullion_request_head(const char *method, const char *path, const char *upgrade,
			   const char *type, size_t length)
{
	char *head, *body = NULL;
	int ret;

	if (type && asprintf(&body, "Content-Type: %s\r\nContent-Length: %zu\r\n", type,
			     length) < 0)
		return NULL;
	if (upgrade)
		ret = asprintf(&head,
			       "%s %s HTTP/1.1\r\nHost: mullion\r\n%s"
			       "Connection: Upgrade\r\nUpgrade: %s\r\n\r\n",
			       method, path, body ? body : "", upgrade);
	else
		ret = asprintf(&head,
			       "%s %s HTTP/1.1\r\nHost: mullion\r\n%s"
			       "Connection: close\r\n\r\n",
			       method, path, body ? body : "");
	free(body);
	return ret < 0 ? NULL : head;
}

char *mullion_request_escape(const char *segment)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_.~";
	char *escaped = malloc(3 * strlen(segment) + 1);
	char *to = escaped;

	if (!escaped)
		return NULL;
	for (const char *from = segment; *from; from++) {
		if (strchr(plain, *from))
			*to++ = *from;
		else
			to += sprintf(to, "%%%02X", (unsigned char)*from);
	}
	*to = '\0';
	return escaped;
}
