/*
 * redis/script: scripts are run by digest; the text goes out only when the
 * server does not know it, and then once for all commands that are under way.
 */
#include <nettle/base16.h>
#include <nettle/sha1.h>

#include "redis/client.h"

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

bool redis_script_resend(struct connection *connection, struct command *command)
{
	struct connection_text *text = connection->texts;
	if (!command->script || command->with_text)
		return false;
	/* The note of this script's text; a free one if there is none yet, the first one when none is free. */
	for (size_t i = CONNECTION_TEXTS; i--;)
		if (!connection->texts[i].script || connection->texts[i].script == command->script)
			text = &connection->texts[i];
	/* A command that was sent before the text did not find it; it will now, behind the text. */
	if (text->script != command->script || command->number > text->number) {
		command->with_text = true;
		*text = (struct connection_text){command->script, connection->sent};
	}
	command->number = 0;
	redis_command_move(command, &connection->lists[COMMANDS_AGAIN]);
	return true;
}
