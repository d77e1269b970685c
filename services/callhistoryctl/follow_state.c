/* follow_state: a title, and a line for each file that is followed. */
#include "callhistoryctl/follow_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/file.h"

static const char title[] = "callhistoryctl follow 1\n";

/* Reads one line, without its line feed, into the position of its path, if that is one of them. */
static int read_line(const char *line, char *const *paths, struct follow_position *positions, size_t count)
{
	struct follow_position at = {.known = true};
	int length = 0;
	if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNx64 " %" SCNd64 " %" SCNu64 " %" SCNu64 " %n",
	           &at.device, &at.inode, &at.head_length, &at.head_hash, &at.changed_ns, &at.position, &at.number,
	           &length) != 7 ||
	    !length || at.head_length > FOLLOW_HEAD_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; ++i)
		if (!strcmp(line + length, paths[i]))
			positions[i] = at;
	return 0;
}

int follow_state_read(const char *file, char *const *paths, struct follow_position *positions, size_t count)
{
	char *text, *next;
	int result = file_read(file, false, &text);
	if (result)
		return result == -ENOENT ? 0 : result;
	if (strncmp(text, title, strlen(title)))
		result = -EINVAL;
	for (char *line = text + strlen(title); !result && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		result = read_line(line, paths, positions, count);
	}
	file_wipe(text);
	return result;
}

int follow_state_write(const char *file, char *const *paths, const struct follow_position *positions, size_t count)
{
	struct buffer text = {0};
	buffer_append_string(&text, title);
	for (size_t i = 0; i < count; ++i) {
		const struct follow_position *at = &positions[i];
		if (at->known)
			buffer_printf(&text,
			              "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIx64 " %" PRId64 " %" PRIu64 " %" PRIu64 " %s\n",
			              at->device, at->inode, at->head_length, at->head_hash, at->changed_ns, at->position,
			              at->number, paths[i]);
	}
	int result = text.failed ? -ENOMEM : file_replace(file, text.data, text.length);
	buffer_free(&text);
	return result;
}
