/* handlers/number: every spelling of contract §1 and of the 2018 change, and what must stay itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "handlers/number.h"

struct pair {
	const char *text, *canonical;
};

static void check_pair(const struct pair *pair, const char *country_code)
{
	char out[NUMBER_SIZE], again[NUMBER_SIZE];
	int length = handlers_number_canonical(out, pair->text, strlen(pair->text), country_code);
	if (length < 0)
		fail_msg("%s: %d", pair->text, length);
	if (strcmp(out, pair->canonical))
		fail_msg("%s: %s instead of %s", pair->text, out, pair->canonical);
	assert_int_equal(length, strlen(out));
	assert_int_equal(handlers_number_canonical(again, out, (size_t)length, country_code), length);
	assert_string_equal(again, out);
}

static void check_pairs(const struct pair *pairs, size_t count, const char *country_code)
{
	for (size_t i = 0; i < count; ++i)
		check_pair(&pairs[i], country_code);
}

#define CHECK_PAIRS(pairs, country_code) check_pairs(pairs, sizeof(pairs) / sizeof((pairs)[0]), country_code)

static void test_one_number_in_every_spelling(void **state)
{
	(void)state;
	static const struct pair pairs[] = {
	    {"+84 912 345 678", "0912345678"},      {"0084912345678", "0912345678"},
	    {"84912345678", "0912345678"},          {"0912.345.678", "0912345678"},
	    {"(0912) 345-678", "0912345678"},       {"0912345678", "0912345678"},
	    {"+84 (0)912 345 678", "0912345678"},   {"+84(0) 912345678", "0912345678"},
	    {"0084 (0) 912 345 678", "0912345678"}, {"84 (0) 912 345 678", "0912345678"},
	    {"+840912345678", "0912345678"},        {"840912345678", "0912345678"},
	    {"(+84) 912 345 678", "0912345678"},    {"[0912]/345/678", "0912345678"},
	    {"  0912 345 678  ", "0912345678"},     {"00 84 912 345 678", "0912345678"},
	    {"+0084912345678", "0912345678"},       {"+0912345678", "0912345678"},
	    {"+84 24 3822 1234", "02438221234"},    {"024 3822 1234", "02438221234"},
	    {"842438221234", "02438221234"},
	};
	CHECK_PAIRS(pairs, "84");
}

static void test_mobile_change_of_2018(void **state)
{
	(void)state;
	static const char *const changes[][2] = {
	    {"0162", "032"}, {"0163", "033"}, {"0164", "034"}, {"0165", "035"}, {"0166", "036"}, {"0167", "037"},
	    {"0168", "038"}, {"0169", "039"}, {"0120", "070"}, {"0121", "079"}, {"0122", "077"}, {"0126", "076"},
	    {"0128", "078"}, {"0123", "083"}, {"0124", "084"}, {"0125", "085"}, {"0127", "081"}, {"0129", "082"},
	    {"0186", "056"}, {"0188", "058"}, {"0199", "059"},
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); ++i) {
		char old[32], abroad[32], now[32];
		snprintf(now, sizeof(now), "%s4567890", changes[i][1]);
		snprintf(old, sizeof(old), "%s4567890", changes[i][0]);
		snprintf(abroad, sizeof(abroad), "+84 %s 456 7890", changes[i][0] + 1);
		check_pair(&(struct pair){old, now}, "84");
		check_pair(&(struct pair){abroad, now}, "84");
		check_pair(&(struct pair){now, now}, "84");
	}
	static const struct pair kept[] = {
	    {"0161 234 5678", "01612345678"}, /* never a Vietnamese mobile prefix */
	    {"0123456789", "0123456789"},     /* ten digits: not of the old length */
	    {"012345678901", "012345678901"},
	};
	CHECK_PAIRS(kept, "84");
}

static void test_hotlines_have_no_trunk_zero(void **state)
{
	(void)state;
	static const struct pair pairs[] = {
	    {"1900 1234", "19001234"},         {"+84 1900 1234", "19001234"},    {"0084 1800.1234", "18001234"},
	    {"1900 54 54 54", "1900545454"},   {"84 1900 545454", "1900545454"}, {"84 1900 1234", "19001234"},
	    {"+84 (0) 1900 1234", "19001234"},
	};
	CHECK_PAIRS(pairs, "84");
}

static void test_what_stays_itself(void **state)
{
	(void)state;
	static const struct pair pairs[] = {
	    {"", ""},
	    {"   ", ""},
	    {"101", "101"},
	    {"8401", "8401"},
	    {"84", "84"},
	    {"84123456", "84123456"},
	    {"8412345678", "8412345678"}, /* ten digits: a number without its zero rather than a country code */
	    {"113", "113"},
	    {"+84113", "+84113"},
	    {"0084113", "0084113"},
	    {"00", "00"},
	    {"000123456789", "000123456789"},
	    {"alice", "alice"},
	    {" alice@example.com ", "alice@example.com"},
	    {"*100#", "*100#"},
	    {"anonymous", "anonymous"},
	    {"+", "+"},
	    {"()", "()"},
	    {"0912+345", "0912+345"},
	    {"++84912345678", "++84912345678"},
	    {"Nguyễn Văn A", "Nguyễn Văn A"},
	};
	CHECK_PAIRS(pairs, "84");
}

static void test_foreign_numbers(void **state)
{
	(void)state;
	static const struct pair pairs[] = {
	    {"+1 (212) 555-1234", "+12125551234"},    {"0012125551234", "+12125551234"},
	    {"+44 (0)20 7946 0958", "+442079460958"}, {"0044 (0) 20 7946 0958", "+442079460958"},
	    {"+855 12 345 678", "+85512345678"},
	};
	CHECK_PAIRS(pairs, "84");
}

static void test_another_country(void **state)
{
	(void)state;
	static const struct pair pairs[] = {
	    {"+855 12 345 678", "012345678"}, {"85512345678", "85512345678"}, {"855123456789", "0123456789"},
	    {"+84912345678", "+84912345678"}, {"01623456789", "01623456789"}, {"+855 1900 1234", "019001234"},
	};
	CHECK_PAIRS(pairs, "855");
}

/* Every spelling that people paste is the plain one. */
static void test_pasted_numbers(void **state)
{
	(void)state;
	static const struct pair pairs[] = {
	    {"0912\u00a0345\u202f678", "0912345678"},          /* no-break and narrow no-break spaces */
	    {"\u2002+84\u2009912\u3000345 678", "0912345678"}, /* en, thin and ideographic spaces */
	    {"\u202a+84 912 345 678\u202c", "0912345678"},     /* bidi embedding, as contact lists put it around numbers */
	    {"\u20660912345678\u2069", "0912345678"},          /* bidi isolates */
	    {"\u200e0912345678\u200f\u061c", "0912345678"},    /* bidi marks */
	    {"0912\u200b345\u2060\ufeff678", "0912345678"},    /* zero-width space, word joiner, byte-order mark */
	    {"0912\u00ad345\u00ad678", "0912345678"},          /* soft hyphens */
	    {"0912\u2010345\u2011678", "0912345678"},          /* hyphen, non-breaking hyphen */
	    {"0912\u2012345\u2013678", "0912345678"},          /* figure and en dash */
	    {"0912\u2014345\u2015678", "0912345678"},          /* em dash, horizontal bar */
	    {"0912\u2212345\ufe63678", "0912345678"},          /* minus sign, small hyphen-minus */
	    {"0912\u30fb345\u00b7678", "0912345678"},          /* middle dots */
	    {"\uff10\uff19\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18", "0912345678"},
	    {"\uff0b84\uff08\uff10\uff09912\uff0d345\uff0d678", "0912345678"},
	    {"\t0912 345\r\n678\xc2\x85", "0912345678"}, /* control characters of a table's cell */
	    {"'0912345678", "0912345678"},               /* a spreadsheet's mark of text */
	    {"\u2019+84912345678", "0912345678"},
	    {"tel:+84-912-345-678", "0912345678"},
	    {"TEL:0912345678;phone-context=+84;ext=5", "0912345678"},
	    {"'tel:+84912345678", "0912345678"},
	    {"sip:+84912345678@pbx.example.vn", "0912345678"},
	    {"sip:0912345678;phone-context=vn@pbx.example.vn:5060;user=phone?Subject=x", "0912345678"},
	    {"sips:84912345678:secret@pbx.example.vn;transport=tls", "0912345678"},
	    {"sip:%2B84912345678@pbx.example.vn", "0912345678"},
	    {"sip:0912345678", "0912345678"},
	    {"\"An\" <sip:0912345678@pbx.example.vn>;tag=1", "\"An\" <sip:0912345678@pbx.example.vn>;tag=1"},
	    {"\"An\" <sip:0912345678@pbx.example.vn>", "0912345678"},
	    {"<tel:0912345678>", "0912345678"},
	    {"sip:101@pbx.example.vn", "101"},
	    {"sip:alice@pbx.example.vn", "alice"},
	    {"sip:tel%3A0912345678@pbx.example.vn", "0912345678"},
	    {"Nguy\u1ec5n\u00a0V\u0103n\u200b A", "Nguy\u1ec5n V\u0103n A"},
	    {"'An'", "'An'"},
	};
	CHECK_PAIRS(pairs, "84");
}

static void test_what_is_no_uri_stays_itself(void **state)
{
	(void)state;
	static const struct pair pairs[] = {
	    {"sip:", "sip:"},
	    {"tel:;ext=5", "tel:;ext=5"},
	    {"sip:@pbx.example.vn", "sip:@pbx.example.vn"},
	    {"sip:a%00b@x", "a%00b"},
	    {"sip:a%ffb@x", "a%ffb"},
	    {"sip:50%", "50%"},
	    {"mailto:0912345678@x", "mailto:0912345678@x"},
	    {"0912345678 ext. 5", "0912345678 ext. 5"},
	    {"<0912345678>", "<0912345678>"},
	    {">", ">"},
	    {"<>", "<>"},
	};
	CHECK_PAIRS(pairs, "84");
}

/* Of each plan: numbers, the one form of each, and its other spellings. */
static void test_plans(void **state)
{
	(void)state;
	static const struct row {
		const char *country, *canonical, *spellings[8];
	} rows[] = {
	    {"84", "0912345678", {"+84912345678", "0084 912345678", "84912345678", "0912345678"}},
	    {"84", "02438221234", {"+84 24 3822 1234", "842438221234", "024 3822 1234"}},
	    {"1",
	     "12125551234",
	     {"(212) 555-1234", "1-212-555-1234", "+1 212 555 1234", "0012125551234", "011 1 2125551234"}},
	    {"7", "89123456789", {"912 345-67-89", "8 (912) 345-67-89", "+7 912 345 67 89", "79123456789"}},
	    {"7", "89123456789", {"+7 8 912 345 67 89", "0079123456789"}},
	    {"39", "061234567", {"06 1234567", "+39 06 1234567", "0039061234567", "39061234567", "+39 (0)6 1234567"}},
	    {"39", "3471234567", {"347 123 4567", "+39 347 1234567", "00393471234567", "393471234567"}},
	    {"44",
	     "02079460958",
	     {"020 7946 0958", "20 7946 0958", "+44 (0)20 7946 0958", "442079460958", "00442079460958"}},
	    {"44", "08001111", {"0800 1111", "+44 800 1111"}},
	    {"49",
	     "03012345678",
	     {"030 12345678", "+49 30 12345678", "004930 12345678", "493012345678", "+49 (0)30/12345678"}},
	    {"49", "01711234567", {"0171 1234567", "171 1234567", "+49 171 1234567", "491711234567"}},
	    {"61", "0412345678", {"0412 345 678", "412 345 678", "+61 412 345 678", "61412345678", "001161412345678"}},
	    {"61", "01300123456", {"1300 123 456", "+61 1300 123 456"}},
	    {"65", "91234567", {"9123 4567", "+65 9123 4567", "6591234567", "006591234567", "001 65 9123 4567"}},
	    {"81", "0312345678", {"03-1234-5678", "3-1234-5678", "+81 3 1234 5678", "81312345678", "010 81 312345678"}},
	    {"81", "09012345678", {"090-1234-5678", "90-1234-5678", "+81 (0)90 1234 5678", "819012345678"}},
	    {"86", "013812345678", {"138 1234 5678", "0138 1234 5678", "+86 138 1234 5678", "8613812345678"}},
	    {"86", "01012345678", {"010 1234 5678", "10 1234 5678", "+86 10 1234 5678", "861012345678"}},
	    {"852", "91234567", {"9123 4567", "+852 9123 4567", "85291234567", "0085291234567", "00185291234567"}},
	    {"855", "012345678", {"012 345 678", "+855 12 345 678", "0085512345678"}},
	    /* Abroad. */
	    {"1", "+84912345678", {"+84 912 345 678", "0084912345678", "011 84 912345678"}},
	    {"7", "+84912345678", {"+84 912 345 678", "8 10 84 912 345 678"}},
	    {"61", "+84912345678", {"+84 912 345 678", "0011 84 912345678", "0084912345678"}},
	    {"81", "+84912345678", {"010 84 912345678"}},
	    {"852", "+84912345678", {"001 84 912345678"}},
	    {"65", "+390612345678", {"+39 (0)6 12345678", "0039 06 12345678"}},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
		check_pair(&(struct pair){rows[i].canonical, rows[i].canonical}, rows[i].country);
		for (size_t j = 0; j < 8 && rows[i].spellings[j]; ++j)
			check_pair(&(struct pair){rows[i].spellings[j], rows[i].canonical}, rows[i].country);
	}
}

static void test_where_the_plan_cannot_decide(void **state)
{
	(void)state;
	static const struct {
		const char *country, *number;
	} rows[] = {
	    {"1", "5551234"},    {"1", "911"},         {"1", "+15551234"},     {"1", "1123456789"}, {"7", "123456"},
	    {"7", "+71234567"},  {"39", "3912345678"}, {"39", "112"},          {"44", "79460958"},  {"44", "4420794609"},
	    {"49", "12345678"},  {"49", "4930123456"}, {"49", "110"},          {"61", "12345678"},  {"65", "65123456"},
	    {"65", "1234567"},   {"81", "12345678"},   {"81", "+81101234567"}, {"86", "12345678"},  {"86", "86101234"},
	    {"852", "85212345"}, {"852", "999"},       {"84", "12345678"},     {"84", "912345678"}, {"84", "8412345678"},
	    {"84", "612345678"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i)
		check_pair(&(struct pair){rows[i].number, rows[i].number}, rows[i].country);
}

/* The plans once more, as the countries publish them: national numbers by a pattern, where x is any digit. */
static const struct published {
	const char *country, *trunk, *exit, *national;
} published[] = {
    {"84", "0", "00", "9xxxxxxxx"},   {"84", "0", "00", "3xxxxxxxx"},   {"84", "0", "00", "28xxxxxxxx"},
    {"1", "1", "011", "212555xxxx"},  {"1", "1", "011", "800555xxxx"},  {"7", "8", "810", "495xxxxxxx"},
    {"7", "8", "810", "701xxxxxxx"},  {"39", "", "00", "06xxxxxxxx"},   {"39", "", "00", "347xxxxxxx"},
    {"44", "0", "00", "20xxxxxxxx"},  {"44", "0", "00", "7xxxxxxxxx"},  {"49", "0", "00", "151xxxxxxxx"},
    {"49", "0", "00", "160xxxxxxx"},  {"61", "0", "0011", "4xxxxxxxx"}, {"61", "0", "0011", "2xxxxxxxx"},
    {"65", "", "001", "8xxxxxxx"},    {"65", "", "001", "6xxxxxxx"},    {"81", "0", "010", "3xxxxxxxx"},
    {"81", "0", "010", "80xxxxxxxx"}, {"86", "0", "00", "13xxxxxxxxx"}, {"86", "0", "00", "21xxxxxxxx"},
    {"852", "", "001", "2xxxxxxx"},   {"852", "", "001", "9xxxxxxx"},
};

static const char *const separators[] = {"", "", "", " ", "-", ".", "\u00a0", "\u202f", "\u2011", "\u200b", "\u00ad"};

/* Numbers of any digits: one sequence for every run. */
static uint32_t next_random(void)
{
	static uint32_t seed = 2463534242;
	seed ^= seed << 13;
	seed ^= seed >> 17;
	return seed ^= seed << 5;
}

/* Writes a prefix and digits with separators in between, in full width now and then. */
static void write_spelling(char *out, const char *prefix, const char *digits, bool wide)
{
	out += sprintf(out, "%s", prefix);
	for (; *digits; ++digits) {
		out += sprintf(out, "%s", separators[next_random() % (sizeof(separators) / sizeof(separators[0]))]);
		out += wide && *digits != '+' ? sprintf(out, "\xef\xbc%c", 0x90 + *digits - '0') : sprintf(out, "%c", *digits);
	}
}

static void check_spelling(const struct published *plan, const char *prefix, const char *national,
                           const char *canonical)
{
	char digits[64], text[1024];
	snprintf(digits, sizeof(digits), "%s%s", prefix, national);
	write_spelling(text, "", digits, next_random() % 4 == 0);
	check_pair(&(struct pair){text, canonical}, plan->country);
	write_spelling(text, next_random() % 2 ? "tel:" : "sip:", digits, false);
	strcat(text, next_random() % 2 ? ";x=1" : "@example.com;user=phone");
	check_pair(&(struct pair){text, canonical}, plan->country);
}

static void test_every_spelling_of_a_plan_is_one_number(void **state)
{
	(void)state;
	for (size_t i = 0; i < 400 * sizeof(published) / sizeof(published[0]); ++i) {
		const struct published *plan = &published[i % (sizeof(published) / sizeof(published[0]))];
		char national[32], canonical[48], plus[8], zeros[8], exit[16];
		snprintf(national, sizeof(national), "%s", plan->national);
		for (char *digit = national; *digit; ++digit)
			if (*digit == 'x')
				*digit = (char)('0' + next_random() % 10);
		snprintf(canonical, sizeof(canonical), "%s%s", plan->trunk, national);
		snprintf(plus, sizeof(plus), "+%s", plan->country);
		snprintf(zeros, sizeof(zeros), "00%s", plan->country);
		snprintf(exit, sizeof(exit), "%s%s", plan->exit, plan->country);
		check_spelling(plan, plan->trunk, national, canonical);
		if (strcmp(plan->country, "84") != 0)
			check_spelling(plan, "", national, canonical);
		check_spelling(plan, plus, national, canonical);
		check_spelling(plan, zeros, national, canonical);
		check_spelling(plan, exit, national, canonical);
		check_spelling(plan, plan->country, national, canonical);
	}
}

static void test_refused(void **state)
{
	(void)state;
	char out[NUMBER_SIZE] = "untouched", longest[NUMBER_SIZE + 1];
	assert_int_equal(handlers_number_canonical(out, "091\0002", 5, "84"), -EINVAL);
	assert_int_equal(handlers_number_canonical(out, "091\xff", 4, "84"), -EINVAL);
	memset(longest, '9', sizeof(longest));
	assert_int_equal(handlers_number_canonical(out, longest, NUMBER_SIZE, "84"), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(handlers_number_canonical(out, longest, NUMBER_SIZE, "84"), -EINVAL);
	assert_string_equal(out, "untouched");
	assert_int_equal(handlers_number_canonical(out, longest, NUMBER_SIZE - 1, "84"), NUMBER_SIZE - 1);
	longest[0] = '+';
	memset(longest + 1, '9', NUMBER_SIZE - 1);
	assert_int_equal(handlers_number_canonical(out, longest, NUMBER_SIZE, "84"), -EINVAL);
	assert_int_equal(handlers_number_canonical(out, longest, NUMBER_SIZE - 1, "84"), NUMBER_SIZE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_number_in_every_spelling),
	    cmocka_unit_test(test_mobile_change_of_2018),
	    cmocka_unit_test(test_hotlines_have_no_trunk_zero),
	    cmocka_unit_test(test_what_stays_itself),
	    cmocka_unit_test(test_foreign_numbers),
	    cmocka_unit_test(test_another_country),
	    cmocka_unit_test(test_pasted_numbers),
	    cmocka_unit_test(test_what_is_no_uri_stays_itself),
	    cmocka_unit_test(test_plans),
	    cmocka_unit_test(test_where_the_plan_cannot_decide),
	    cmocka_unit_test(test_every_spelling_of_a_plan_is_one_number),
	    cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
