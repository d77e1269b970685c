/* moment: the contract's own zone does the reckoning; here only the order of year, month and day changes. */
#include "callhistoryctl/moment.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECONDS_BELOW INT64_C(100000000000) /* a Unix time below it is in seconds */
#define MS_MAX INT64_C(253402300799999)     /* the end of the year 9999 */

static int parse_digits(const char *text, size_t length, int64_t *out)
{
	int64_t value = 0;
	if (!length || length > 15)
		return -EINVAL;
	for (size_t i = 0; i < length; ++i) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = value * 10 + (text[i] - '0');
	}
	*out = value;
	return 0;
}

int moment_parse(struct contract_zone *zone, const char *text, int64_t *ms)
{
	size_t length = strlen(text);
	int64_t value;
	if (!parse_digits(text, length, &value)) {
		value = value < SECONDS_BELOW ? value * 1000 : value;
		if (value > MS_MAX)
			return -EINVAL;
		*ms = value;
		return 0;
	}
	bool with_time = length == 19 && (text[10] == 'T' || text[10] == ' ');
	if ((length != 10 && !with_time) || text[4] != '-' || text[7] != '-')
		return -EINVAL;
	char local[20];
	snprintf(local, sizeof(local), "%.2s/%.2s/%.4s %.8s", text + 5, text + 8, text, with_time ? text + 11 : "00:00:00");
	int result = contract_zone_parse(zone, local, strlen(local), &value);
	if (!result)
		*ms = value * 1000;
	return result;
}

int moment_parse_span(const char *text, int64_t *ms)
{
	static const struct {
		char letter;
		int64_t ms;
	} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
	size_t length = strlen(text);
	int64_t value;
	if (length < 2 || parse_digits(text, length - 1, &value) || !value)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); ++i) {
		if (text[length - 1] != units[i].letter)
			continue;
		if (value > INT64_C(36500) * 86400000 / units[i].ms)
			return -EINVAL;
		*ms = value * units[i].ms;
		return 0;
	}
	return -EINVAL;
}

char *moment_format(struct contract_zone *zone, int64_t ms, char out[MOMENT_SIZE])
{
	char local[19];
	if (ms < 0 || ms > MS_MAX)
		return strcpy(out, "-");
	contract_zone_format(zone, ms / 1000, local);
	snprintf(out, MOMENT_SIZE, "%.4s-%.2s-%.2s %.8s", local + 6, local, local + 3, local + 11);
	return out;
}

char *moment_format_utc(int64_t ms, char out[MOMENT_SIZE])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm parts;
	if (ms < 0 || ms > MS_MAX || !gmtime_r(&seconds, &parts) ||
	    !strftime(out, MOMENT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts))
		strcpy(out, "-");
	return out;
}
