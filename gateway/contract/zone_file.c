/*
 * contract/zone_file: the compiled rules of a zone, a TZif file (RFC 8536) of
 * the machine's zoneinfo folder. The C library reads the same files, but
 * keeps one zone at a time behind a global and a lock, and takes a name that
 * it doesn't know for UTC.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/zone.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"

enum { FILE_MAX = 1 << 18, HEADER_SIZE = 44, TYPE_SIZE = 6, FOOTER_MAX = 256 };

/* How many entries a data block has of each kind; the order is the file's. */
enum count { COUNT_UT, COUNT_STANDARD, COUNT_LEAP, COUNT_TIME, COUNT_TYPE, COUNT_CHARACTER, COUNTS };

struct bytes {
	const unsigned char *at, *end;
};

static uint64_t big_endian(const unsigned char *bytes, size_t size)
{
	uint64_t value = 0;
	while (size--)
		value = value << 8 | *bytes++;
	return value;
}

static int32_t offset_of_type(const unsigned char *types, unsigned index)
{
	return (int32_t)(uint32_t)big_endian(types + (size_t)index * TYPE_SIZE, 4);
}

/* Reads a header; *size is that of the data block after it, whose times have `time_size` bytes. */
static bool read_header(struct bytes *bytes, size_t time_size, uint32_t counts[COUNTS], size_t *size)
{
	if (bytes->end - bytes->at < HEADER_SIZE || memcmp(bytes->at, "TZif", 4))
		return false;
	/* Version 1 has no rule for the time to come; nobody has made such files since 2006. */
	if (bytes->at[4] < '2')
		return false;
	for (int i = 0; i < COUNTS; ++i) {
		counts[i] = (uint32_t)big_endian(bytes->at + 20 + i * 4, 4);
		if (counts[i] > FILE_MAX)
			return false;
	}
	bytes->at += HEADER_SIZE;
	*size = counts[COUNT_TIME] * (time_size + 1) + counts[COUNT_TYPE] * TYPE_SIZE + counts[COUNT_CHARACTER] +
	        counts[COUNT_LEAP] * (time_size + 4) + counts[COUNT_STANDARD] + counts[COUNT_UT];
	return *size <= (size_t)(bytes->end - bytes->at);
}

/* Reads the offsets of a data block with times of 8 bytes; *last is its last change. */
static int read_block(struct contract_zone *zone, const unsigned char *block, const uint32_t counts[COUNTS],
                      int64_t *last)
{
	const unsigned char *indexes = block + (size_t)counts[COUNT_TIME] * 8;
	const unsigned char *types = indexes + counts[COUNT_TIME];
	/* A zone that counts leap seconds is on another scale than Unix time. */
	if (!counts[COUNT_TYPE] || counts[COUNT_LEAP])
		return -ENOENT;
	for (uint32_t i = 0; i < counts[COUNT_TYPE]; ++i) {
		int32_t offset = offset_of_type(types, i);
		if (offset <= -ZONE_DAY || offset >= ZONE_DAY)
			return -ENOENT;
	}
	int result = zone_add(zone, INT64_MIN, offset_of_type(types, 0));
	*last = INT64_MIN;
	for (uint32_t i = 0; i < counts[COUNT_TIME] && !result; ++i) {
		int64_t time = (int64_t)big_endian(block + (size_t)i * 8, 8);
		if (time < *last || indexes[i] >= counts[COUNT_TYPE])
			return -ENOENT;
		*last = time;
		result = zone_add(zone, time, offset_of_type(types, indexes[i]));
	}
	return result;
}

static int read_zone(struct contract_zone *zone, struct bytes bytes)
{
	uint32_t counts[COUNTS];
	size_t size;
	int64_t last;
	char rule[FOOTER_MAX];
	/* The first block is for readers that know 32-bit times only. */
	if (!read_header(&bytes, 4, counts, &size))
		return -ENOENT;
	bytes.at += size;
	if (!read_header(&bytes, 8, counts, &size))
		return -ENOENT;
	int result = read_block(zone, bytes.at, counts, &last);
	if (result)
		return result;
	bytes.at += size;
	if (bytes.at == bytes.end || *bytes.at++ != '\n')
		return -ENOENT;
	const unsigned char *end = memchr(bytes.at, '\n', (size_t)(bytes.end - bytes.at));
	if (!end || (size_t)(end - bytes.at) >= sizeof(rule))
		return -ENOENT;
	memcpy(rule, bytes.at, (size_t)(end - bytes.at));
	rule[end - bytes.at] = '\0';
	result = zone_rule_add(zone, rule, last);
	return result == -EINVAL ? -ENOENT : result;
}

int zone_file_read(struct contract_zone *zone, const char *name)
{
	const char *folder = getenv("TZDIR");
	char path[4096];
	int result = -ENOENT;
	unsigned char *data = NULL;
	if (!name[0] || name[0] == '/' || strstr(name, ".."))
		return -ENOENT;
	int length = snprintf(path, sizeof(path), "%s/%s", folder && folder[0] ? folder : ZONE_FOLDER, name);
	if (length < 0 || (size_t)length >= sizeof(path))
		return -ENOENT;
	FILE *file = fopen(path, "rbe");
	if (!file)
		return -ENOENT;
	data = malloc(FILE_MAX);
	if (!data) {
		result = -ENOMEM;
		goto end;
	}
	size_t size = fread(data, 1, FILE_MAX, file);
	if (!ferror(file))
		result = read_zone(zone, (struct bytes){data, data + size});
end:
	free(data);
	fclose(file);
	return result;
}
