/*
 * Fuzzes rows of Asterisk: files of rows come to an end, row after row, and what is accepted makes a call within the limits
 * that is recorded under the same id when it is read again. Mutations replace whole cells.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "callhistoryctl/lines.h"
#include "sources/asterisk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_call(const Callhistory__V1__Call *call)
{
	check(call->start_time && call->start_time->seconds >= 0 && call->start_time->seconds < INT64_C(253402300800));
	check(*call->id && strlen(call->id) <= CONTRACT_ID_MAX && call->n_callers == 1 && call->n_callees == 1);
	check(strlen(call->callers[0]->phone) <= CONTRACT_NUMBER_MAX && strlen(call->hotline) <= CONTRACT_NUMBER_MAX);
	size_t size = callhistory__v1__call__get_packed_size(call);
	uint8_t *packed = malloc(size);
	check(packed && callhistory__v1__call__pack(call, packed) == size);
	Callhistory__V1__Call *again = callhistory__v1__call__unpack(NULL, size, packed);
	check(again);
	callhistory__v1__call__free_unpacked(again, NULL);
	free(packed);
}

static void check_row(struct sources_asterisk *asterisk, const struct import_reader *reader, const char *row,
                      size_t length)
{
	struct sources_record record, again;
	/* A copy of its own shows reads behind the row. */
	char *copy = malloc(length ? length : 1);
	check(copy);
	memcpy(copy, row, length);
	reader->error->message = NULL;
	if (sources_asterisk_read(asterisk, reader, copy, length, &record)) {
		check(reader->error->message && (reader->error->code == 400 || reader->error->code == 413));
	} else if (record.part) {
		check_call(record.part->call);
		check(!sources_asterisk_read(asterisk, reader, copy, length, &again));
		check(!strcmp(record.part->call->id, again.part->call->id));
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const contexts[] = {"from-trunk"}, *const trunks[] = {"PJSIP/c-"};
	static const struct sources_asterisk_options options = {
	    contexts, trunks, 1, 1, trunks, 1, "userfield",
	};
	static struct contract_zone *zone;
	static struct lines *lines;
	struct sources_asterisk *asterisk = NULL;
	struct arena *arena = NULL;
	struct contract_error error;
	const char *row;
	size_t length;
	int result;
	if ((!zone && contract_zone_create(&zone, "Europe/Berlin")) || (!lines && lines_create(&lines)) ||
	    sources_asterisk_create(&asterisk, &options) || arena_create(&arena, 65536))
		return 0;
	int fd = memfd_create("rows", MFD_CLOEXEC);
	check(fd >= 0 && write(fd, data, size) == (ssize_t)size && !lseek(fd, 0, SEEK_SET));
	lines_open(lines, fd, (struct lines_form){true, false}, 0, 1);
	while ((result = lines_next(lines, &row, &length))) {
		if (result == -EAGAIN) {
			check(lines_read(lines) >= 0);
			continue;
		}
		check(result == 1 || result == -E2BIG || result == -EILSEQ || result == -EBADMSG);
		if (result == -EBADMSG)
			break;
		const struct import_reader reader = {.arena = arena, .zone = zone, .error = &error};
		check(result != 1 || length <= LINES_ROW_MAX);
		if (result == 1)
			check_row(asterisk, &reader, row, length);
		arena_reset(arena);
	}
	close(fd);
	arena_destroy(arena);
	sources_asterisk_destroy(asterisk);
	return 0;
}

#ifdef CALLHISTORY_FUZZ
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Where the cell around `at` begins and ends, for what is mostly a comma between cells. */
static void cell_around(const uint8_t *data, size_t size, size_t at, size_t *from, size_t *to)
{
	for (*from = at; *from && data[*from - 1] != ',' && data[*from - 1] != '\n';)
		--*from;
	for (*to = at; *to < size && data[*to] != ',' && data[*to] != '\n';)
		++*to;
}

/* Puts a copy of one cell, or a text that means something in a row, in the place of another cell. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	static const char *const texts[] = {"\"\"",
	                                    "",
	                                    "2026-10-25 02:30:00",
	                                    "0000-00-00 00:00:00",
	                                    "\"NO ANSWER\"",
	                                    "1792891799.3",
	                                    "-1",
	                                    "\"a\"\"b\"",
	                                    "start",
	                                    "dst",
	                                    "PJSIP/101-1",
	                                    "\n\"",
	                                    "8"};
	uint8_t copy[256];
	size_t from, to, length;
	if (!size || seed % 4 == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	cell_around(data, size, (seed >> 8) % size, &from, &to);
	length = to - from < sizeof(copy) ? to - from : sizeof(copy);
	memcpy(copy, data + from, length);
	if (seed % 4 == 1) {
		const char *text = texts[(seed >> 2) % (sizeof(texts) / sizeof(texts[0]))];
		length = strlen(text);
		memcpy(copy, text, length);
	}
	cell_around(data, size, (seed >> 3) % size, &from, &to);
	if (size - (to - from) + length > max_size)
		return size;
	memmove(data + from + length, data + to, size - to);
	memcpy(data + from, copy, length);
	return size - (to - from) + length;
}
#endif
