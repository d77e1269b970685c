/* http_head: one pass over the request line, then one over each header line. */
#include "http_head.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/decimal.h"

enum { METHOD_MAX = 32 };

/* Characters of a token (RFC 9110, 5.6.2), a bit for each below 128. */
static const uint32_t token_bits[4] = {UINT32_C(0x00000000), UINT32_C(0x03ff6cfa), UINT32_C(0xc7fffffe),
                                       UINT32_C(0x57ffffff)};

bool http_head_is_token(char character)
{
	unsigned char byte = (unsigned char)character;
	return byte < 128 && token_bits[byte / 32] >> byte % 32 & 1;
}

bool http_head_begins(const char *bytes, size_t length)
{
	size_t at = 0;
	while (at < length && at < METHOD_MAX && http_head_is_token(bytes[at]))
		at++;
	return at == length ? at < METHOD_MAX : at > 0 && bytes[at] == ' ';
}

int http_head_find(const char *bytes, size_t length, size_t *line, size_t *end)
{
	while (*line < length) {
		const char *start = bytes + *line;
		const char *newline = memchr(start, '\n', length - *line);
		if (!newline)
			break;
		if (newline == start || newline[-1] != '\r')
			return 400;
		*line = (size_t)(newline - bytes) + 1;
		if (newline - start == 1) {
			*end = *line;
			return 0;
		}
	}
	if (length < HTTP_HEAD_MAX)
		return -EAGAIN;
	return *line ? 431 : 414;
}

static int refuse(struct http_head *head, int status, const char *message)
{
	head->status = status;
	head->message = message;
	return -EBADMSG;
}

/* Reads "METHOD SP target SP HTTP/d.d" up to `end`, its CR. */
static int parse_request_line(char *at, char *end, struct http_head *head)
{
	static const char wrong[] =
	    "the request line is malformed: it must be a method, a target without blanks and the version, "
	    "separated by one space";
	char *method = at;
	while (http_head_is_token(*at))
		at++;
	if (at == method || at - method > METHOD_MAX || *at != ' ')
		return refuse(head, 400, wrong);
	*at++ = '\0';
	char *target = at;
	while ((unsigned char)*at > ' ' && *at != 0x7f)
		at++;
	if (at == target || *at != ' ')
		return refuse(head, 400, wrong);
	*at++ = '\0';
	if (end - at != 8 || memcmp(at, "HTTP/", 5) != 0 || at[5] < '0' || at[5] > '9' || at[6] != '.' || at[7] < '0' ||
	    at[7] > '9')
		return refuse(head, 400, wrong);
	head->method = method;
	head->target = target;
	if (at[5] != '1')
		return refuse(head, 505, "this version of HTTP is not supported; use version 1.1");
	head->http_1_0 = at[7] == '0';
	head->keep_alive = !head->http_1_0;
	return 0;
}

/* Splits the line up to `end` into name and value, both NUL-terminated then. */
static int split_field(char *at, char *end, char **name, char **value, struct http_head *head)
{
	*name = at;
	while (http_head_is_token(*at))
		at++;
	if (at == *name || *at != ':')
		return refuse(head, 400, "a header is malformed: it must be a name, a colon and a value on one line");
	*at++ = '\0';
	while (*at == ' ' || *at == '\t')
		at++;
	*value = at;
	for (; at < end; at++)
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
			return refuse(head, 400, "a header's value contains a control character");
	while (end > *value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	return 0;
}

static void parse_connection(const char *value, struct http_head *head)
{
	while (*value) {
		value += strspn(value, " \t,");
		size_t length = strcspn(value, " \t,");
		if (length == 5 && !strncasecmp(value, "close", length))
			head->keep_alive = false;
		else if (length == 10 && !strncasecmp(value, "keep-alive", length) && head->http_1_0)
			head->keep_alive = true;
		value += length;
	}
}

/* Counts of headers that must not repeat. */
struct counts {
	unsigned host, transfer_encoding;
};

/* Headers of message framing and connection handling. */
static int parse_framing(const char *name, const char *value, struct http_head *head, struct counts *counts)
{
	if (!strcasecmp(name, "Content-Length")) {
		if (head->has_length || *value == '-' || !decimal_read(value, strlen(value), &head->length))
			return refuse(head, 400, "Content-Length must be one decimal number and come only once");
		head->has_length = true;
	} else if (!strcasecmp(name, "Transfer-Encoding")) {
		if (counts->transfer_encoding++ || strcasecmp(value, "chunked") != 0)
			return refuse(head, 400, "Transfer-Encoding must be chunked and come only once");
		head->chunked = true;
	} else if (!strcasecmp(name, "Host")) {
		if (counts->host++ || strpbrk(value, " \t,/?#@\\"))
			return refuse(head, 400, "Host must be one host name, with or without a port, and come only once");
	} else if (!strcasecmp(name, "Connection")) {
		parse_connection(value, head);
	} else if (!strcasecmp(name, "Expect")) {
		head->expects_continue = !strcasecmp(value, "100-continue");
	}
	return 0;
}

/* Checks that need all headers. */
static int check_framing(struct http_head *head, const struct counts *counts)
{
	if (!head->http_1_0 && !counts->host)
		return refuse(head, 400, "Host is missing");
	if (head->chunked && (head->has_length || head->http_1_0))
		return refuse(head, 400, "Transfer-Encoding excludes Content-Length, and needs version 1.1 of HTTP");
	if (head->http_1_0)
		head->expects_continue = false;
	return 0;
}

int http_head_parse(char *bytes, size_t length, struct http_head *out,
                    void (*field)(void *data, const char *name, const char *value), void *data)
{
	struct counts counts = {0};
	char *line = bytes, *name, *value;
	memset(out, 0, sizeof(*out));
	char *end = (char *)memchr(line, '\n', length) - 1;
	int result = parse_request_line(line, end, out);
	/* The last two bytes are the empty line. */
	for (line = end + 2; !result && line < bytes + length - 2; line = end + 2) {
		end = (char *)memchr(line, '\n', (size_t)(bytes + length - line)) - 1;
		result = split_field(line, end, &name, &value, out);
		if (result)
			break;
		result = parse_framing(name, value, out, &counts);
		field(data, name, value);
	}
	return result ? result : check_framing(out, &counts);
}
