/* moment: the contract's own zone computes local times; here only the order of year, month and day changes. */
#include "callhistoryctl/moment.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/decimal.h"

#define SECONDS_BELOW INT64_C(100000000000) /* a Unix time below it is in seconds */
#define MS_MAX INT64_C(253402300799999)     /* the end of the year 9999 */

/* Reads digits only. 0 or -EINVAL. */
static int parse_digits(const char *text, size_t length, int64_t *out)
{
	return *text != '-' && decimal_read(text, length, out) ? 0 : -EINVAL;
}

/* Reads "Z", "+HH:MM" or "-HH:MM". *seconds is how far local time is ahead of UTC. 0 or -EINVAL. */
static int parse_offset(const char *text, int64_t *seconds)
{
	int64_t hours, minutes;
	*seconds = 0;
	if (!strcmp(text, "Z"))
		return 0;
	if ((*text != '+' && *text != '-') || strlen(text) != 6 || text[3] != ':' || parse_digits(text + 1, 2, &hours) ||
	    parse_digits(text + 4, 2, &minutes) || hours > 23 || minutes > 59)
		return -EINVAL;
	*seconds = (hours * 60 + minutes) * (*text == '-' ? -60 : 60);
	return 0;
}

/* Reads the time after a date, to its end or its offset. Writes "HH:MM:SS". Returns how long it is, or -EINVAL. */
static int parse_clock(const char *text, char clock[9])
{
	size_t length = strspn(text, "0123456789:");
	if (length != 5 && length != 8)
		return -EINVAL;
	snprintf(clock, 9, "%.5s:%.2s", text, length == 8 ? text + 6 : "00");
	return text[2] == ':' && (length == 5 || text[5] == ':') ? (int)length : -EINVAL;
}

/* Reads "MM/DD/YYYY HH:MM:SS" as UTC, and refuses days that do not exist. */
static int parse_utc(const char *text, int64_t *seconds)
{
	struct tm parts = {0};
	char again[20];
	if (!strptime(text, "%m/%d/%Y %H:%M:%S", &parts))
		return -EINVAL;
	*seconds = timegm(&parts);
	/* strptime() takes blanks, single digits and 31 February; none of them is written the same again. */
	bool same = strftime(again, sizeof(again), "%m/%d/%Y %H:%M:%S", &parts) && !strcmp(again, text);
	return same ? 0 : -EINVAL;
}

int moment_parse(struct contract_zone *zone, const char *text, int64_t *ms)
{
	size_t length = strlen(text);
	int64_t value, ahead = 0;
	char clock[9] = "00:00:00", local[20];
	int taken = 0, result = 0;
	if (!parse_digits(text, length, &value)) {
		value = value < SECONDS_BELOW ? value * 1000 : value;
		if (value > MS_MAX)
			return -EINVAL;
		*ms = value;
		return 0;
	}
	if (length < 10 || text[4] != '-' || text[7] != '-')
		return -EINVAL;
	if (text[10] == 'T' || text[10] == ' ') {
		taken = parse_clock(text + 11, clock);
		if (taken < 0)
			return taken;
	}
	const char *offset = text + 10 + (taken ? taken + 1 : 0);
	snprintf(local, sizeof(local), "%.2s/%.2s/%.4s %.8s", text + 5, text + 8, text, clock);
	if (!*offset)
		result = contract_zone_parse(zone, local, strlen(local), &value);
	else if (!taken || parse_offset(offset, &ahead) || parse_utc(local, &value))
		result = -EINVAL;
	if (result || value - ahead < 0 || value - ahead > MS_MAX / 1000)
		return -EINVAL;
	*ms = (value - ahead) * 1000;
	return 0;
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

char *moment_format(struct contract_zone *zone, int64_t ms, bool exact, char out[MOMENT_SIZE])
{
	char local[20] = {0}, fraction[5] = "";
	int64_t utc;
	if (ms < 0 || ms > MS_MAX)
		return strcpy(out, "-");
	contract_zone_format(zone, ms / 1000, local);
	/* The local time, read as UTC, differs from UTC by the zone's offset. */
	if (parse_utc(local, &utc))
		return strcpy(out, "-");
	int minutes = (int)((utc - ms / 1000) / 60);
	char sign = minutes < 0 ? '-' : '+';
	minutes = minutes < 0 ? -minutes : minutes;
	if (exact && ms % 1000)
		snprintf(fraction, sizeof(fraction), ".%03d", (int)(ms % 1000));
	snprintf(out, MOMENT_SIZE, "%.4s-%.2s-%.2s %.8s%s%c%02d:%02d", local + 6, local, local + 3, local + 11, fraction,
	         sign, minutes / 60 % 100, minutes % 60);
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
