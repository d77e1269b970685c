/* redis/script: scripts are run by digest; the whole text goes out only when the server does not know it. */
#include <errno.h>
#include <nettle/sha1.h>
#include <stdio.h>
#include <string.h>

#include "redis/connection.h"

enum { EVAL_FIXED = 3 }; /* command, script, number of keys */

void redis_script_init(struct redis_script *script, const char *source, bool read_only)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t digest[SHA1_DIGEST_SIZE];
	struct sha1_ctx hash;
	sha1_init(&hash);
	sha1_update(&hash, strlen(source), (const uint8_t *)source);
	sha1_digest(&hash, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); ++i) {
		script->sha1[2 * i] = hex[digest[i] >> 4];
		script->sha1[2 * i + 1] = hex[digest[i] & 15];
	}
	script->sha1[40] = '\0';
	script->source = source;
	script->read_only = read_only;
}

int redis_eval(struct redis *redis, const struct redis_script *script, int keys, int argc, const char *const *argv,
               const size_t *lengths, int64_t deadline_us, redis_callback *callback, void *data)
{
	char number[16], head[16];
	const char *name = script->read_only ? "EVALSHA_RO" : "EVALSHA";
	if (keys < 0 || keys > argc)
		return -EINVAL;
	int number_length = snprintf(number, sizeof(number), "%d", keys);
	int head_length = snprintf(head, sizeof(head), "*%d\r\n", argc + EVAL_FIXED);
	const struct part first[EVAL_FIXED] = {
	    {name, strlen(name)},
	    {script->sha1, sizeof(script->sha1) - 1},
	    {number, (size_t)number_length},
	};
	/* The tail begins behind the digest: "*N", "$7" + EVALSHA or "$10" + EVALSHA_RO, "$40" + digest, with their line ends. */
	struct command command = {
	    .script = script,
	    .arguments = argc + EVAL_FIXED,
	    .tail = (size_t)head_length + (script->read_only ? 5 : 4) + first[0].length + 2 + 5 + first[1].length + 2,
	};
	return redis_append(redis, &command, first, EVAL_FIXED, argc, argv, lengths, deadline_us, callback, data);
}

bool script_resend(struct redis *redis)
{
	const struct command *head = queue_at(&redis->queue, 0);
	const struct redis_script *script = head->script;
	if (!script || head->script_sent)
		return false;
	char prefix[64];
	size_t length = strlen(script->source);
	const char *name = script->read_only ? "$7\r\nEVAL_RO" : "$4\r\nEVAL";
	int prefix_length = snprintf(prefix, sizeof(prefix), "*%d\r\n%s\r\n$%zu\r\n", head->arguments, name, length);
	const struct part first[] = {{prefix, (size_t)prefix_length}, {script->source, length}, {"\r\n", 2}};
	if (queue_push_head_again(&redis->queue, first, 3, head->tail))
		return false;
	queue_at(&redis->queue, redis->queue.count - 1)->script_sent = true;
	queue_pop(&redis->queue);
	return true;
}
