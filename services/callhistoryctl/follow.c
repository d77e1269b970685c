/*
 * follow: each file is read as far as it goes, then looked at five times a second.
 *
 * What may happen to a file, and how its remaining rows are read before those of the next one:
 * - renamed, or deleted, and made anew: its descriptor is kept, until nothing has come for GRACE_US and another file
 *   has the path; what is written to a renamed one even later, by a program that still has it open, is read until the
 *   next rotation;
 * - renamed while this program did not run: a file beside it with its inode and beginning is opened in its place;
 * - copied and truncated, or replaced more than once: files beside it whose names begin with its name and that were
 *   changed since are imported whole, oldest first; from the position, if one begins alike. Calls that have been
 *   recorded do not change.
 * That the file is still the same is shown by its beginning, which is read before and after each read(): a file that
 * was truncated may have grown beyond the old position in between.
 */
#include "callhistoryctl/follow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mix.h"
#include "callhistoryctl/say.h"

#define POLL_US INT64_C(200000)
#define GRACE_US INT64_C(2000000)
#define SAVE_US INT64_C(1000000)
#define CLOCK_STEP_NS INT64_C(2000000000)

enum { TURN_LINES = 512, ROTATED_MAX = 64, HEAD_MAX = 1024 };

/* Where a file has been read up to. Its beginning distinguishes it from a later one with the same inode. */
struct position {
	bool known; /* the file has been read at all */
	uint64_t device, inode;
	uint64_t head_length, head_hash;
	int64_t changed_ns; /* st_mtim, when it was read last */
	uint64_t position, number;
};

/* The file that a tail read before its present one. */
struct former {
	int fd; /* -1: none */
	uint64_t size, position, number;
};

struct tail {
	struct feed_source source; /* .fd: the file that is read; -1: none yet */
	struct former former;
	const char *path;
	struct position at;
	int64_t replaced_us; /* since when another file has the path, or this one grew last; 0: none has */
	bool stuck;          /* lines have been read past `at` that are in no batch: it must stay */
};

struct follow {
	struct feed *feed;
	const char *state;
	size_t count;
	struct tail tails[FOLLOW_FILES_MAX];
	struct arena *names; /* of rotated files, for messages */
	int64_t saved_us;
	bool changed, unsaved; /* positions since the last save; the last save failed */
};

/* A file beside one that is followed. Its descriptor counts: the path may become another file's at any time. */
struct rotated {
	int fd;
	int64_t changed_ns;
	uint64_t inode;
	const char *path;
	uint64_t position; /* where to begin */
};

static int64_t changed_ns(const struct stat *status)
{
	return (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
}

/* The clock of the times of files, which is as coarse as they are. */
static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- The state file --------------------------------------------------------------------------------------------- */

/*
 * A line for each file: device and inode, length and hash of its beginning, time of the last change, the position and
 * line number where reading goes on, and the path.
 */
static const char title[] = "callhistoryctl follow 1\n";

/* Reads one line, without its line feed, into the position of its path, if that is one of them. */
static int read_line(struct follow *follow, const char *line)
{
	struct position at = {.known = true};
	int length = 0;
	if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNx64 " %" SCNd64 " %" SCNu64 " %" SCNu64 " %n",
	           &at.device, &at.inode, &at.head_length, &at.head_hash, &at.changed_ns, &at.position, &at.number,
	           &length) != 7 ||
	    !length || at.head_length > HEAD_MAX)
		return -EINVAL;
	for (size_t i = 0; i < follow->count; ++i)
		if (!strcmp(line + length, follow->tails[i].path))
			follow->tails[i].at = at;
	return 0;
}

/* Reads the positions. 0, also without a state file, -EINVAL for another format, or another negative errno. */
static int read_state(struct follow *follow)
{
	char *text, *next;
	int result = file_read(follow->state, false, &text);
	if (result)
		return result == -ENOENT ? 0 : result;
	if (strncmp(text, title, strlen(title)))
		result = -EINVAL;
	for (char *line = text + strlen(title); !result && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		result = read_line(follow, line);
	}
	file_wipe(text);
	return result;
}

/* Writes the positions. A failure is reported once: the price is that a restart repeats more. */
static int save(struct follow *follow)
{
	struct buffer text = {0};
	buffer_append_string(&text, title);
	for (size_t i = 0; i < follow->count; ++i) {
		const struct position *at = &follow->tails[i].at;
		if (at->known)
			buffer_printf(&text,
			              "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIx64 " %" PRId64 " %" PRIu64 " %" PRIu64 " %s\n",
			              at->device, at->inode, at->head_length, at->head_hash, at->changed_ns, at->position,
			              at->number, follow->tails[i].path);
	}
	int result = text.failed ? -ENOMEM : file_replace(follow->state, text.data, text.length);
	buffer_free(&text);
	if (result && !follow->unsaved)
		say_error("can't write %s: %s", follow->state, strerror(-result));
	follow->unsaved = result;
	follow->changed = false;
	follow->saved_us = clock_monotonic_us();
	return result;
}

/* ---- Which file it is ------------------------------------------------------------------------------------------- */

/* Whether the file begins as `at` says. With `extend`, more of the beginning is then remembered, if there is more. */
static bool begins_alike(struct position *at, int fd, bool extend)
{
	char head[HEAD_MAX];
	ssize_t got = pread(fd, head, sizeof(head), 0);
	if (got < 0 || (uint64_t)got < at->head_length || mix_hash(MIX_HASH, head, at->head_length) != at->head_hash)
		return false;
	if (extend && (uint64_t)got > at->head_length) {
		at->head_length = (uint64_t)got;
		at->head_hash = mix_hash(MIX_HASH, head, at->head_length);
	}
	return true;
}

/* Whether an open file is the one that `at` is a position of. */
static bool is_same(struct position *at, int fd, const struct stat *status)
{
	return status->st_dev == at->device && status->st_ino == at->inode && (uint64_t)status->st_size >= at->position &&
	       begins_alike(at, fd, false);
}

/* Reads the first row of a file that is read from a position on: a header line names the columns of all rows. */
static int read_header(struct feed *feed, struct feed_source *source)
{
	struct contract_error error;
	const struct import_reader reader = {.arena = feed->scratch, .zone = feed->zone, .error = &error};
	struct sources_record record;
	const char *row;
	size_t length;
	int result;
	if (!source->asterisk)
		return 0;
	sources_asterisk_reset(source->asterisk);
	if (lseek(source->fd, 0, SEEK_SET) < 0)
		return -errno;
	lines_open(source->lines, source->fd, (struct lines_form){.rows = true, .growing = true}, 0, 1);
	while ((result = lines_next(source->lines, &row, &length)) == -EAGAIN) {
		int64_t got = lines_read(source->lines);
		if (got <= 0)
			return (int)got;
	}
	if (result == 1)
		sources_asterisk_read(source->asterisk, &reader, row, length, &record);
	arena_reset(feed->scratch);
	return 0;
}

/* Goes on with a file, for messages `name`, at a position where a line begins. 0 or a negative errno. */
static int open_at(struct feed *feed, struct feed_source *source, int fd, const char *name, uint64_t position,
                   uint64_t number)
{
	source->fd = fd;
	source->file = name;
	int result = read_header(feed, source);
	if (lseek(fd, (off_t)position, SEEK_SET) < 0)
		result = -errno;
	lines_open(source->lines, fd, (struct lines_form){.rows = source->asterisk, .growing = true}, position, number);
	return result;
}

/* Goes on with this file at the tail's position. Owns the descriptor then. */
static int resume(struct feed *feed, struct tail *tail, int fd)
{
	tail->replaced_us = 0;
	++feed->files;
	return open_at(feed, &tail->source, fd, tail->path, tail->at.position, tail->at.number);
}

/*
 * Begins with another file at its beginning. The state has it before anything is read, so that it is found if it is
 * rotated just before a restart.
 */
static int begin(struct follow *follow, struct tail *tail, int fd, const struct stat *status)
{
	tail->at = (struct position){
	    .known = true,
	    .device = status->st_dev,
	    .inode = status->st_ino,
	    .changed_ns = changed_ns(status),
	    .head_hash = mix_hash(MIX_HASH, "", 0),
	    .number = 1,
	};
	save(follow);
	return resume(follow->feed, tail, fd);
}

/* ---- Rotated files ---------------------------------------------------------------------------------------------- */

static int by_time(const void *left, const void *right)
{
	const struct rotated *one = left, *other = right;
	return (one->changed_ns > other->changed_ns) - (one->changed_ns < other->changed_ns);
}

/* What is in there may be calls that are not recorded yet: ends, with the position kept. */
static void unreadable(struct follow *follow, const char *path, int reason)
{
	say_error("%s: %s; it may have calls that were not read: allow reading it, and start again", path,
	          strerror(reason));
	follow->feed->give_up = true;
}

/*
 * From when on a changed file may have what was not read: from the last time of the tail's own. A clock that has been
 * set back since makes all files count; to import one again changes nothing.
 */
static int64_t since_ns(const struct tail *tail)
{
	const int64_t last_ns = tail->at.changed_ns;
	return last_ns > now_ns() + CLOCK_STEP_NS ? 0 : last_ns - CLOCK_STEP_NS;
}

/* Opens a file for the list, if it was changed since the tail's own was read last, or is that one. */
static size_t add_rotated(struct follow *follow, struct tail *tail, const char *path, struct rotated *out)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0) {
		const int reason = errno;
		if (reason != ENOENT && reason != ELOOP && !stat(path, &status) && changed_ns(&status) >= since_ns(tail))
			unreadable(follow, path, reason);
		return 0;
	}
	*out = (struct rotated){.fd = fd, .path = arena_copy(follow->names, path, strlen(path))};
	if (fstat(fd, &status) || !S_ISREG(status.st_mode) || changed_ns(&status) < since_ns(tail) || !out->path) {
		close(fd);
		return 0;
	}
	out->changed_ns = changed_ns(&status);
	out->inode = status.st_ino;
	if (tail->at.head_length && (uint64_t)status.st_size >= tail->at.position && begins_alike(&tail->at, fd, false))
		out->position = tail->at.position;
	return 1;
}

static bool is_state(const struct follow *follow, const char *path)
{
	size_t length = strlen(follow->state);
	return !strncmp(path, follow->state, length) && (!path[length] || !strcmp(path + length, ".new"));
}

/*
 * Opens the files beside the tail's whose names begin with its name, without the one that is open and the state file;
 * the one that was changed first is the first. Returns how many, at most ROTATED_MAX.
 */
static size_t find_rotated(struct follow *follow, struct tail *tail, struct rotated list[ROTATED_MAX])
{
	char path[PATH_MAX];
	const char *slash = strrchr(tail->path, '/');
	const char *name = slash ? slash + 1 : tail->path;
	int folder_length = (int)(name - tail->path);
	size_t count = 0, name_length = strlen(name);
	struct stat open_one = {0}, status;
	snprintf(path, sizeof(path), "%.*s.", folder_length, tail->path);
	DIR *folder = opendir(path);
	if (!folder) {
		unreadable(follow, path, errno);
		return 0;
	}
	if (tail->source.fd >= 0)
		fstat(tail->source.fd, &open_one);
	for (struct dirent *entry; count < ROTATED_MAX && (entry = readdir(folder));) {
		if (strncmp(entry->d_name, name, name_length) || !entry->d_name[name_length])
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%.*s%s", folder_length, tail->path, entry->d_name) >= sizeof(path))
			continue;
		if (is_state(follow, path) || stat(path, &status) ||
		    (status.st_ino == open_one.st_ino && status.st_dev == open_one.st_dev))
			continue;
		count += add_rotated(follow, tail, path, &list[count]);
	}
	closedir(folder);
	qsort(list, count, sizeof(*list), by_time);
	return count;
}

/* Waits until all calls of a file have been answered. */
static void drain(struct feed *feed, const char *file)
{
	outbox_flush(feed->outbox);
	while (!feed_stopping(feed) && outbox_oldest(feed->outbox, file))
		feed_work(feed, clock_monotonic_us() + POLL_US);
}

/* Reads one of them and waits until its calls have been answered. */
static void import_one(struct follow *follow, struct tail *tail, const struct rotated *file)
{
	struct feed *feed = follow->feed;
	say_line("%s: reading %s, which was rotated", tail->path, file->path);
	tail->source.fd = file->fd;
	if (file->position)
		read_header(feed, &tail->source);
	int result = feed_descriptor(feed, &tail->source, file->fd, file->path, file->position,
	                             file->position ? tail->at.number : 1);
	/* Damaged data stays damaged; whatever else failed may succeed after a restart, from the same position. */
	if (result && result != -EBADMSG)
		feed->give_up = true;
	drain(feed, file->path);
}

/*
 * Imports what was written to files that had the path in between, or were copied from it. Looks again until there is no
 * other one: while names are changed, a directory may not list a file at all.
 */
static void import_rotated(struct follow *follow, struct tail *tail)
{
	struct rotated list[ROTATED_MAX];
	uint64_t read[ROTATED_MAX];
	size_t read_count = 0;
	const int fd = tail->source.fd;
	for (bool more = tail->at.changed_ns; more && !feed_stopping(follow->feed);) {
		arena_reset(follow->names);
		size_t count = find_rotated(follow, tail, list);
		more = false;
		for (size_t i = 0; i < count; ++i) {
			size_t same = 0;
			while (same < read_count && read[same] != list[i].inode)
				++same;
			if (same == read_count && read_count < ROTATED_MAX && !feed_stopping(follow->feed)) {
				read[read_count++] = list[i].inode;
				more = true;
				import_one(follow, tail, &list[i]);
				tail->source.fd = fd;
			}
			close(list[i].fd);
		}
	}
}

/* Opens the file that was read last, if it has been renamed. Returns a descriptor or -1. */
static int open_renamed(struct follow *follow, struct tail *tail)
{
	struct rotated list[ROTATED_MAX];
	struct stat status;
	int found = -1;
	arena_reset(follow->names);
	size_t count = find_rotated(follow, tail, list);
	for (size_t i = 0; i < count; ++i) {
		if (found < 0 && !fstat(list[i].fd, &status) && is_same(&tail->at, list[i].fd, &status))
			found = list[i].fd;
		else
			close(list[i].fd);
	}
	return found;
}

/* ---- The former file -------------------------------------------------------------------------------------------- */

static void former_close(struct former *former)
{
	if (former->fd >= 0)
		close(former->fd);
	former->fd = -1;
}

/* Reads complete rows from the former file's position on, and waits until their calls have been answered. */
static int read_former(struct feed *feed, struct former *former, const char *path)
{
	struct feed_source source;
	int result = feed_source_open(feed, &source);
	if (!result)
		result = open_at(feed, &source, former->fd, path, former->position, former->number);
	while (!result && !feed_stopping(feed)) {
		result = feed_take(feed, &source);
		int64_t got = result == -EAGAIN ? lines_read(source.lines) : 0;
		if (result == -EAGAIN && got <= 0) {
			result = got < 0 ? (int)got : 0;
			break;
		}
		result = result == -EAGAIN || result > 0 ? 0 : result;
	}
	drain(feed, path);
	if (!result && !feed_stopping(feed)) {
		former->position = lines_place(source.lines)->position;
		former->number = lines_place(source.lines)->next_number;
	}
	feed_source_close(&source);
	return result == -ECANCELED ? 0 : result;
}

/* Takes what has been written to the former file meanwhile. Returns 0 or a negative errno. */
static int check_former(struct follow *follow, struct tail *tail)
{
	struct former *former = &tail->former;
	struct stat status;
	int result = 0;
	if (former->fd < 0)
		return 0;
	if (fstat(former->fd, &status))
		return -errno;
	if ((uint64_t)status.st_size > former->size) {
		arena_reset(follow->names);
		const char *name = arena_printf(follow->names, "%s before its rotation", tail->path);
		former->size = (uint64_t)status.st_size;
		result = name ? read_former(follow->feed, former, name) : -ENOMEM;
	}
	/* A file that has no name any more would use space of the disk for nothing. */
	if (!status.st_nlink)
		former_close(former);
	return result;
}

/* Keeps the tail's file, which has been read to its end, as the former one. */
static void keep_former(struct tail *tail)
{
	former_close(&tail->former);
	tail->former = (struct former){
	    .fd = tail->source.fd,
	    .size = tail->at.position,
	    .position = tail->at.position,
	    .number = tail->at.number,
	};
}

/* ---- One file --------------------------------------------------------------------------------------------------- */

/* Opens what is to be read next. 0, also if there is nothing yet, or a negative errno. */
static int open_tail(struct follow *follow, struct tail *tail)
{
	struct feed *feed = follow->feed;
	struct stat status;
	int fd = open(tail->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	if (fd >= 0 && (fstat(fd, &status) || !S_ISREG(status.st_mode))) {
		close(fd);
		return -EINVAL;
	}
	if (fd >= 0 && tail->at.known && is_same(&tail->at, fd, &status))
		return resume(feed, tail, fd);
	int renamed = tail->at.known ? open_renamed(follow, tail) : -1;
	if (renamed >= 0) {
		if (fd >= 0)
			close(fd);
		return resume(feed, tail, renamed);
	}
	if (fd < 0) {
		/* What is made from now on, and rotated before the next look, is found by its time. */
		if (!tail->at.changed_ns)
			tail->at.changed_ns = now_ns() + CLOCK_STEP_NS;
		return 0;
	}
	import_rotated(follow, tail);
	if (feed_stopping(feed)) {
		close(fd);
		return 0;
	}
	return begin(follow, tail, fd, &status);
}

/* Remembers where reading would go on after a restart. */
static void note(struct follow *follow, struct tail *tail)
{
	struct position *at = &tail->at;
	if (tail->source.fd < 0 || tail->stuck || follow->feed->give_up)
		return;
	const struct outbox_origin *oldest = outbox_oldest(follow->feed->outbox, tail->path);
	uint64_t position = oldest ? oldest->position : lines_place(tail->source.lines)->position;
	follow->changed |= position != at->position;
	at->position = position;
	at->number = oldest ? oldest->line : lines_place(tail->source.lines)->next_number;
}

/* The file at the path is another one, or begins anew: goes on with that. */
static int replace(struct follow *follow, struct tail *tail, bool truncated)
{
	struct feed *feed = follow->feed;
	int result = check_former(follow, tail);
	drain(feed, tail->path);
	note(follow, tail);
	if (result || feed_stopping(feed))
		return result;
	if (!truncated && lines_ahead(tail->source.lines)) {
		++feed->bad_lines;
		say_line("%s:%llu: the file ends within this line", tail->path,
		         (unsigned long long)lines_place(tail->source.lines)->next_number);
	}
	/* Opened first: if it is rotated in its turn while others are read, nothing of it is missed. */
	struct stat status;
	int fd = open(tail->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	import_rotated(follow, tail);
	if (truncated)
		close(tail->source.fd);
	else
		keep_former(tail);
	tail->source.fd = -1;
	if (fd >= 0 && !feed_stopping(feed) && !fstat(fd, &status))
		return begin(follow, tail, fd, &status);
	if (fd >= 0)
		close(fd);
	return 0;
}

/* At the end of what there is. Returns 0 or a negative errno. */
static int await_more(struct follow *follow, struct tail *tail)
{
	struct stat open_one, status;
	int result = check_former(follow, tail);
	if (result)
		return result;
	if (fstat(tail->source.fd, &open_one))
		return -errno;
	if (stat(tail->path, &status) || (status.st_ino == open_one.st_ino && status.st_dev == open_one.st_dev)) {
		tail->replaced_us = 0;
		return 0;
	}
	int64_t now_us = clock_monotonic_us();
	if (!tail->replaced_us)
		tail->replaced_us = now_us;
	return now_us - tail->replaced_us < GRACE_US ? 0 : replace(follow, tail, false);
}

/* Reads once. 1: there are more bytes; 0: none; or a negative errno. */
static int read_more(struct follow *follow, struct tail *tail)
{
	struct stat status;
	const int fd = tail->source.fd;
	if (fstat(fd, &status))
		return -errno;
	bool same =
	    (uint64_t)status.st_size >= lines_place(tail->source.lines)->position && begins_alike(&tail->at, fd, true);
	int64_t got = same ? lines_read(tail->source.lines) : 0;
	if (got < 0)
		return got == -EINTR ? 0 : (int)got;
	if (!same || !begins_alike(&tail->at, fd, false))
		return replace(follow, tail, true);
	tail->at.changed_ns = changed_ns(&status);
	if (!got)
		return await_more(follow, tail);
	tail->replaced_us = 0;
	follow->feed->read_bytes += (uint64_t)got;
	return 1;
}

/* Reads some lines. 1: there may be more; 0: not now; or a negative errno. */
static int step(struct follow *follow, struct tail *tail)
{
	int result = tail->source.fd < 0 ? open_tail(follow, tail) : 0;
	if (result || tail->source.fd < 0)
		return result;
	for (int i = 0; i < TURN_LINES && !feed_stopping(follow->feed); ++i) {
		result = feed_take(follow->feed, &tail->source);
		if (result == -ECANCELED)
			tail->stuck = true;
		if (result == -EAGAIN)
			return read_more(follow, tail);
		if (result <= 0)
			return result == -ECANCELED ? 0 : result;
	}
	return 1;
}

/* ---- All files -------------------------------------------------------------------------------------------------- */

static void loop(struct follow *follow)
{
	struct feed *feed = follow->feed;
	while (!feed_stopping(feed)) {
		bool busy = false;
		for (size_t i = 0; i < follow->count && !feed_stopping(feed); ++i) {
			int result = step(follow, &follow->tails[i]);
			if (result < 0) {
				say_error("can't read %s: %s", follow->tails[i].path,
				          result == -ENOTSUP ? "it is gzip data or UTF-16, which cannot be followed; write it in UTF-8"
				                             : strerror(-result));
				feed->give_up = true;
			}
			busy |= result > 0;
		}
		if (!busy)
			outbox_flush(feed->outbox);
		feed_work(feed, busy ? 0 : clock_monotonic_us() + POLL_US);
		for (size_t i = 0; i < follow->count; ++i)
			note(follow, &follow->tails[i]);
		if (follow->changed && clock_monotonic_us() - follow->saved_us >= SAVE_US)
			save(follow);
	}
}

static int open_tails(struct follow *follow)
{
	int result = arena_create(&follow->names, 4096);
	for (size_t i = 0; i < follow->count && !result; ++i) {
		struct tail *tail = &follow->tails[i];
		result = feed_source_open(follow->feed, &tail->source);
	}
	if (result)
		return say_error("%s", strerror(-result));
	result = read_state(follow);
	if (result)
		return say_error("can't read %s: %s", follow->state,
		                 result == -EINVAL ? "it is no state file of --follow" : strerror(-result));
	return save(follow) ? EXIT_FAILED : EXIT_DONE;
}

int follow_run(struct feed *feed)
{
	const struct settings *settings = feed->settings;
	struct follow *follow = calloc(1, sizeof(*follow));
	if (!follow)
		return say_error("%s", strerror(ENOMEM));
	*follow = (struct follow){.feed = feed, .state = settings->state, .count = (size_t)settings->operand_count};
	for (size_t i = 0; i < follow->count; ++i) {
		follow->tails[i].path = settings->operands[i];
		follow->tails[i].source.fd = follow->tails[i].former.fd = -1;
	}
	feed->progress.on = false;
	int code = open_tails(follow);
	if (!code) {
		loop(follow);
		feed_finish(feed, false);
		for (size_t i = 0; i < follow->count; ++i)
			note(follow, &follow->tails[i]);
		code = save(follow) || feed->give_up ? EXIT_FAILED : EXIT_DONE;
	}
	for (size_t i = 0; i < follow->count; ++i) {
		if (follow->tails[i].source.fd >= 0)
			close(follow->tails[i].source.fd);
		former_close(&follow->tails[i].former);
		feed_source_close(&follow->tails[i].source);
	}
	arena_destroy(follow->names);
	free(follow);
	return code;
}
