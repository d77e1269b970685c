/* redis/command: one block of memory for each. */
#include "redis/command.h"

#include <errno.h>
#include <nettle/base16.h>
#include <nettle/sha1.h>
#include <stdlib.h>

#include "base/decimal.h"

enum {
	BYTES_LIMIT = 1 << 28,    /* of all commands of a client */
	FRAME = DECIMAL_TEXT + 4, /* what an argument takes beside its bytes: mark, length, two line ends */
	SCRIPT_ARGUMENTS = 3,     /* EVALSHA, digest, number of keys */
};

void redis_script_init(struct redis_script *script, const char *source, bool read_only)
{
	uint8_t digest[SHA1_DIGEST_SIZE];
	struct sha1_ctx hash;
	sha1_init(&hash);
	sha1_update(&hash, strlen(source), (const uint8_t *)source);
	sha1_digest(&hash, sizeof(digest), digest);
	base16_encode_update(script->sha1, sizeof(digest), digest);
	script->sha1[BASE16_ENCODE_LENGTH(sizeof(digest))] = '\0';
	script->source = source;
	script->read_only = read_only;
}

/*
 * These write to memory that is reserved and return the position behind what they wrote. Quicker than buffer_printf(),
 * which would lead the profile.
 */
static char *put_number(char *at, char mark, size_t value)
{
	*at++ = mark;
	at += decimal_write(at, value);
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

static char *put_argument(char *at, const char *data, size_t length)
{
	at = mempcpy(put_number(at, '$', length), data, length);
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

int redis_command_create(struct command **out, struct command_pool *pool, const struct redis_script *script, int keys,
                         int argc, const char *const *argv, const size_t *lengths)
{
	size_t most = 2 * FRAME;
	for (int i = 0; i < argc && most <= BYTES_LIMIT; ++i)
		most += (lengths ? lengths[i] : strlen(argv[i])) + FRAME;
	if (most > BYTES_LIMIT || pool->bytes + most > BYTES_LIMIT)
		return -EBUSY;
	struct command *command = malloc(sizeof(*command) + most);
	if (!command)
		return -ENOMEM;
	*command = (struct command){.pool = pool, .script = script, .arguments = argc + SCRIPT_ARGUMENTS};
	char *at = command->bytes, number[DECIMAL_TEXT];
	if (script)
		at = put_argument(at, number, decimal_write(number, (uint64_t)keys));
	else
		at = put_number(at, '*', (size_t)argc);
	for (int i = 0; i < argc; ++i)
		at = put_argument(at, argv[i], lengths ? lengths[i] : strlen(argv[i]));
	command->length = (size_t)(at - command->bytes);
	++pool->count;
	pool->bytes += command->length;
	TAILQ_INSERT_TAIL(&pool->commands, command, pool_link);
	*out = command;
	return 0;
}

void redis_command_free(struct command *command)
{
	--command->pool->count;
	command->pool->bytes -= command->length;
	TAILQ_REMOVE(&command->pool->commands, command, pool_link);
	if (command->list)
		TAILQ_REMOVE(command->list, command, link);
	if (command->internal)
		explicit_bzero(command->bytes, command->length);
	free(command);
}

void redis_command_move(struct command *command, struct command_list *list)
{
	if (command->list)
		TAILQ_REMOVE(command->list, command, link);
	command->list = list;
	TAILQ_INSERT_TAIL(list, command, link);
}

void redis_command_write(const struct command *command, struct buffer *out)
{
	const struct redis_script *script = command->script;
	if (script) {
		const char *name = script->read_only ? "EVALSHA_RO" : "EVALSHA";
		if (command->with_text)
			name = script->read_only ? "EVAL_RO" : "EVAL";
		const char *which = command->with_text ? script->source : script->sha1;
		if (buffer_reserve(out, 3 * FRAME + strlen(name) + strlen(which)))
			return;
		char *at = put_number(out->data + out->length, '*', (size_t)command->arguments);
		at = put_argument(at, name, strlen(name));
		out->length = (size_t)(put_argument(at, which, strlen(which)) - out->data);
	}
	buffer_append(out, command->bytes, command->length);
}
