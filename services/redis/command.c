/* redis/command: one block of memory for each. */
#include "redis/command.h"

#include <errno.h>
#include <stdlib.h>

#include "base/decimal.h"

enum {
	BYTES_LIMIT = 1 << 28,    /* of all commands of a client */
	FRAME = DECIMAL_TEXT + 4, /* what an argument takes beside its bytes: mark, length, two line ends */
	SCRIPT_ARGUMENTS = 3,     /* EVALSHA, digest, number of keys */
};

/* Writes a mark, a number and a line end. Quicker than buffer_printf(), which would lead the profile. */
static void put_number(struct buffer *out, char mark, size_t value)
{
	char text[FRAME] = {mark};
	size_t length = 1 + decimal_write(text + 1, value);
	text[length++] = '\r';
	text[length++] = '\n';
	buffer_append(out, text, length);
}

static void put_argument(struct buffer *out, const char *data, size_t length)
{
	put_number(out, '$', length);
	buffer_append(out, data, length);
	buffer_append(out, "\r\n", 2);
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
	struct buffer bytes = {.data = command->bytes, .capacity = most};
	if (script) {
		char number[DECIMAL_TEXT];
		put_argument(&bytes, number, decimal_write(number, (uint64_t)keys));
	} else {
		put_number(&bytes, '*', (size_t)argc);
	}
	for (int i = 0; i < argc; ++i)
		put_argument(&bytes, argv[i], lengths ? lengths[i] : strlen(argv[i]));
	command->length = bytes.length;
	++pool->count;
	pool->bytes += bytes.length;
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
		put_number(out, '*', (size_t)command->arguments);
		put_argument(out, name, strlen(name));
		put_argument(out, which, strlen(which));
	}
	buffer_append(out, command->bytes, command->length);
}
