/*
 * redis/script: scripts are run by digest; the text goes out only when the
 * server does not know it, and then once for all commands that are under way.
 */
#include <errno.h>
#include <nettle/sha1.h>
#include <stdio.h>
#include <string.h>

#include "redis/client.h"

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
	    .callback = callback,
	    .data = data,
	    .deadline_us = deadline_us,
	    .write = !script->read_only,
	    .script = script,
	    .arguments = argc + EVAL_FIXED,
	    .tail = (size_t)head_length + (script->read_only ? 5 : 4) + first[0].length + 2 + 5 + first[1].length + 2,
	};
	size_t key_length = !keys ? 0 : lengths ? lengths[0] : strlen(argv[0]);
	return redis_append(redis, &command, keys ? argv[0] : "", key_length, first, EVAL_FIXED, argc, argv, lengths);
}

/* The connection's note of a script's text; a free one if there is none yet, the first one when none is free. */
static struct connection_text *text_of(struct connection *connection, const struct redis_script *script)
{
	for (size_t i = 0; i < CONNECTION_TEXTS; ++i)
		if (!connection->texts[i].script || connection->texts[i].script == script)
			return &connection->texts[i];
	return &connection->texts[0];
}

bool script_resend(struct connection *connection, int64_t now_us)
{
	struct queue *queue = &connection->queue;
	struct command command = *queue_oldest_sent(queue);
	const struct redis_script *script = command.script;
	if (!script || command.script_sent)
		return false;
	struct connection_text *text = text_of(connection, script);
	char prefix[64];
	size_t length = strlen(script->source);
	int prefix_length = snprintf(prefix, sizeof(prefix), "*%d\r\n%s\r\n$%zu\r\n", command.arguments,
	                             script->read_only ? "$7\r\nEVAL_RO" : "$4\r\nEVAL", length);
	const char *bytes = queue_oldest_bytes(queue);
	const struct part digest[] = {{bytes, command.length}};
	const struct part whole[] = {{prefix, (size_t)prefix_length},
	                             {script->source, length},
	                             {"\r\n", 2},
	                             {bytes + command.tail, command.length - command.tail}};
	/* A command that was appended before the text was sent did not find it; it will now, behind the text. */
	bool on_its_way = text->script == script && command.number < text->number;
	command.script_sent = !on_its_way;
	command.queued_us = now_us;
	if (queue_push_bytes(queue, &command, on_its_way ? digest : whole, on_its_way ? 1 : 4))
		return false;
	if (!on_its_way)
		*text = (struct connection_text){script, queue->pushed - 1};
	connection->needs_acknowledgement = connection_acknowledges(connection);
	queue_fire(queue, queue_at(queue, queue->answered));
	queue_answer(queue);
	return true;
}
