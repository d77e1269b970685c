/*
 * handlers/number_plan: a table of plans and the function that applies them. The rules are ordered so that a canonical
 * form is its own canonical form.
 */
#include "handlers/number_plan.h"

#include <string.h>

#define ANY "123456789"

enum {
	RANGES_MAX = 5,
	FOREIGN_MIN = 7, /* digits after an exit code: fewer are a service code, not a country's number */
	OLD_MOBILE_LENGTH = 11,
};

/* What must precede a national number (without its trunk prefix) for it to be recognised as one. */
enum announced {
	BY_NOTHING = 1, /* its own first digits and length suffice */
	BY_CODE,        /* the country code in front of it */
	BY_PLUS,        /* a plus or an exit code, and the country code */
};

/* National numbers, by their first two digits and their length. */
struct range {
	const char *first, *second; /* NULL: any digit */
	unsigned char min, max;
	enum announced announced;
};

struct plan {
	const char *code;
	const char *trunk; /* dialled before a national number; "": none */
	const char *exit;  /* dialled before a country code, where it is not 00 */
	struct range ranges[RANGES_MAX];
};

static const struct plan plans[] = {
    {"1", "1", "011", {{"23456789", NULL, 10, 10, BY_NOTHING}}},
    {"7", "8", "810", {{"3456789", NULL, 10, 10, BY_NOTHING}}},
    {"39",
     "",
     NULL,
     {{"0", ANY, 8, 11, BY_NOTHING},
      {"3", NULL, 9, 10, BY_NOTHING},
      {"8", NULL, 9, 10, BY_NOTHING},
      {"0", ANY, 6, 11, BY_PLUS}}},
    {"44",
     "0",
     NULL,
     {{"1235789", NULL, 10, 10, BY_NOTHING}, {"18", NULL, 9, 9, BY_CODE}, {ANY, NULL, 7, 10, BY_PLUS}}},
    {"49", "0", NULL, {{"1", "567", 10, 11, BY_NOTHING}, {ANY, NULL, 9, 13, BY_CODE}, {ANY, NULL, 5, 13, BY_PLUS}}},
    {"61",
     "0",
     "0011",
     {{"23478", NULL, 9, 9, BY_NOTHING}, {"1", "389", 10, 10, BY_NOTHING}, {ANY, NULL, 8, 10, BY_PLUS}}},
    {"65",
     "",
     "001",
     {{"3689", NULL, 8, 8, BY_NOTHING}, {"8", "0", 10, 10, BY_NOTHING}, {"1", "89", 11, 11, BY_NOTHING}}},
    {"81",
     "0",
     "010",
     {{"23456789", NULL, 9, 9, BY_NOTHING},
      {"1", ANY, 9, 9, BY_NOTHING},
      {"5789", "0", 10, 10, BY_NOTHING},
      {"23456789", NULL, 8, 10, BY_PLUS}}},
    {"84", "0", NULL, {{ANY, NULL, 9, 13, BY_CODE}, {ANY, NULL, 7, 13, BY_PLUS}}},
    {"86",
     "0",
     NULL,
     {{"1", "3456789", 11, 11, BY_NOTHING},
      {"1", "0", 10, 10, BY_NOTHING},
      {"2", NULL, 10, 10, BY_NOTHING},
      {"3456789", NULL, 10, 11, BY_NOTHING},
      {ANY, NULL, 7, 12, BY_PLUS}}},
    {"852", "", "001", {{"23456789", NULL, 8, 8, BY_NOTHING}, {"89", "0", 9, 9, BY_NOTHING}}},
};

/* Any other country: a trunk zero, and any digits. */
static const struct plan other_plan = {NULL, "0", NULL, {{ANY, NULL, 9, 13, BY_CODE}, {ANY, NULL, 7, 13, BY_PLUS}}};

/* Vietnam, 2018: mobile prefixes of 11-digit numbers, and the 10-digit prefixes that took their place. */
static const struct {
	char old[5], now[4];
} mobile_changes[] = {
    {"0162", "032"}, {"0163", "033"}, {"0164", "034"}, {"0165", "035"}, {"0166", "036"}, {"0167", "037"},
    {"0168", "038"}, {"0169", "039"}, {"0120", "070"}, {"0121", "079"}, {"0122", "077"}, {"0126", "076"},
    {"0128", "078"}, {"0123", "083"}, {"0124", "084"}, {"0125", "085"}, {"0127", "081"}, {"0129", "082"},
    {"0186", "056"}, {"0188", "058"}, {"0199", "059"},
};

static bool is_vietnam(const struct plan *plan)
{
	return plan->code && !strcmp(plan->code, "84");
}

/* Vietnamese 1900 and 1800 numbers: dialled without a zero, eight or ten digits. */
static bool is_hotline(const struct plan *plan, const char *national, size_t length)
{
	return is_vietnam(plan) && (length == 8 || length == 10) &&
	       (!strncmp(national, "1900", 4) || !strncmp(national, "1800", 4));
}

/* `digits` is not at its end. */
static bool begins_with_one_of(const char *digits, const char *set)
{
	return !set || strchr(set, *digits);
}

static bool is_national(const struct plan *plan, const char *number, enum announced announced)
{
	size_t length = strlen(number);
	if (is_hotline(plan, number, length))
		return true;
	for (const struct range *range = plan->ranges; range < plan->ranges + RANGES_MAX && range->announced; ++range)
		if (range->announced <= announced && length >= range->min && length <= range->max &&
		    begins_with_one_of(number, range->first) && begins_with_one_of(number + 1, range->second))
			return true;
	return false;
}

/* Writes a number that begins with its trunk prefix. */
static size_t write_trunk(char *out, const struct plan *plan, const char *number)
{
	size_t length = strlen(number), count = sizeof(mobile_changes) / sizeof(mobile_changes[0]);
	for (size_t i = 0; i < count && length == OLD_MOBILE_LENGTH && is_vietnam(plan); ++i) {
		if (memcmp(number, mobile_changes[i].old, 4) != 0)
			continue;
		memcpy(out, mobile_changes[i].now, 3);
		memcpy(out + 3, number + 4, length - 4);
		return length - 1;
	}
	memcpy(out, number, length);
	return length;
}

static size_t write_national(char *out, const struct plan *plan, const char *national)
{
	size_t trunk = strlen(plan->trunk), length = strlen(national);
	char number[OLD_MOBILE_LENGTH + 8];
	if (is_hotline(plan, national, length)) {
		memcpy(out, national, length);
		return length;
	}
	/* No range is longer than 13 digits. */
	memcpy(number, plan->trunk, trunk);
	memcpy(number + trunk, national, length + 1);
	return write_trunk(out, plan, number);
}

/* The national number after the country code, without a trunk prefix in front; NULL where there is none. */
static const char *after_code(const struct plan *plan, const char *number, const char *code, enum announced announced)
{
	size_t length = strlen(code), trunk = strlen(plan->trunk);
	if (strncmp(number, code, length))
		return NULL;
	number += length;
	while (!is_national(plan, number, announced)) {
		if (!trunk || strncmp(number, plan->trunk, trunk))
			return NULL;
		number += trunk;
	}
	return number;
}

/* What follows the exit code; NULL where there is none. */
static const char *after_exit(const struct plan *plan, const char *number)
{
	const char *const exits[] = {plan->exit ? plan->exit : "00", "00"};
	for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); ++i) {
		size_t length = strlen(exits[i]);
		if (!strncmp(number, exits[i], length) && number[length] != '0' && strlen(number) >= length + FOREIGN_MIN)
			return number + length;
	}
	return NULL;
}

static const struct plan *find_plan(const char *code)
{
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); ++i)
		if (!strcmp(plans[i].code, code))
			return &plans[i];
	return &other_plan;
}

size_t handlers_number_plan_write(char *out, const char *digits, bool plus, const char *country_code)
{
	const struct plan *plan = find_plan(country_code);
	/* No country code begins with 0: a plus before a 0 is ignored. */
	const char *international = plus && *digits != '0' ? digits : after_exit(plan, digits);
	if (international) {
		const char *national = after_code(plan, international, country_code, BY_PLUS);
		if (national)
			return write_national(out, plan, national);
		size_t length = strlen(international);
		out[0] = '+';
		memcpy(out + 1, international, length);
		return length + 1;
	}
	if (is_national(plan, digits, BY_NOTHING))
		return write_national(out, plan, digits);
	const char *national = after_code(plan, digits, country_code, BY_CODE);
	return national ? write_national(out, plan, national) : write_trunk(out, plan, digits);
}

bool handlers_number_plan_keeps_zero(const char *country_code, size_t length)
{
	return length == 2 && !memcmp(country_code, "39", 2);
}
