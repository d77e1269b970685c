/*
 * feed: what every way of importing shares: the connection, the outbox, and the reading of a file's lines or rows as
 * calls of a format. One thread reads, parses and adds to the outbox; gRPC runs whenever there is nothing to read or
 * the outbox is full. Errors of a line are reported as FILE:LINE: and counted; the lines around it are taken.
 */
#pragma once

#include "callhistoryctl/lines.h"
#include "callhistoryctl/outbox.h"
#include "callhistoryctl/progress.h"
#include "callhistoryctl/remote.h"
#include "sources/asterisk.h"

enum feed_format {
	FEED_NDJSON,    /* a call is a line */
	FEED_ASTERISK,  /* a call is a row */
	FEED_FREESWITCH /* a part of a call is a file */
};

/* A file that is read, one after another. */
struct feed_source {
	const char *file; /* as messages name it; must outlive the outbox */
	int fd;
	struct lines *lines;
	struct sources_asterisk *asterisk; /* NULL: the format is not FEED_ASTERISK */
	bool decoding;                     /* reported that the file is decoded */
};

struct feed {
	struct settings *settings;
	struct contract_zone *zone;
	struct remote remote;
	struct outbox *outbox;
	struct arena *scratch;
	struct progress progress;
	enum feed_format format;
	const struct feed_source *current; /* whose progress is shown; NULL: none */
	uint64_t total_bytes;              /* of all files; 0: not known */
	uint64_t read_bytes;               /* of all files */
	uint64_t files, line_count, bad_lines, unreadable;
	bool repeating; /* reported that the service is unavailable */
	bool give_up;   /* stop: the token is refused, or the service is unavailable */
};

/* Connects and makes all of it, by the settings; all of `*feed` but its format is zero. Returns 0 or an exit code. */
int feed_open(struct feed *feed, struct settings *settings);
void feed_close(struct feed *feed);

/* Makes a source; feed_source_close() also takes one for which this failed. Returns 0 or -ENOMEM. */
int feed_source_open(const struct feed *feed, struct feed_source *source);
void feed_source_close(struct feed_source *source);

/*
 * Takes the next line into the outbox, for which it waits if that is full. 1: taken, or reported as invalid; 0: the
 * file's end; -EAGAIN: lines_read() must be called first; -ECANCELED: the line was read, but not taken, because the
 * import ends; or another negative errno.
 */
int feed_take(struct feed *feed, struct feed_source *source);

/* Reads a whole file; "-" is standard input. 0 or -errno, reported. */
int feed_file(struct feed *feed, struct feed_source *source, const char *path);

/*
 * Reads an open file that does not grow, from `position` on, where line `number` begins: 0 and 1, unless the file is
 * plain text. `name` is for messages. -1 as descriptor: open() has failed with errno. 0 or -errno, reported.
 */
int feed_descriptor(struct feed *feed, struct feed_source *source, int fd, const char *name, uint64_t position,
                    uint64_t number);

/* Runs gRPC until `until_us` at most; 0: without waiting. */
void feed_work(struct feed *feed, int64_t until_us);

/* Whether a signal or a failure ends the import. */
bool feed_stopping(const struct feed *feed);

/*
 * Waits until all calls have been answered. After a signal or a failure for 5 s at most, and, with `drop_unsent`, only
 * for those that have been sent.
 */
void feed_finish(struct feed *feed, bool drop_unsent);

/* Prints the summary. Returns the exit code of an import. */
int feed_summarise(struct feed *feed);
