/* calls/number: every spelling of contract §1 and of the 2018 change, and what must stay itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "calls/number.h"

struct pair {
	const char *text, *canonical;
};

static void check_pair(const struct pair *pair, const char *country_code)
{
	char out[NUMBER_SIZE], again[NUMBER_SIZE];
	int length = number_canonical(out, pair->text, strlen(pair->text), country_code);
	if (length < 0)
		fail_msg("%s: %d", pair->text, length);
	if (strcmp(out, pair->canonical))
		fail_msg("%s: %s instead of %s", pair->text, out, pair->canonical);
	assert_int_equal(length, strlen(out));
	assert_int_equal(number_canonical(again, out, (size_t)length, country_code), length);
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
	    {"sip:0912345678", "sip:0912345678"},
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

static void test_refused(void **state)
{
	(void)state;
	char out[NUMBER_SIZE] = "untouched", longest[NUMBER_SIZE + 1];
	assert_int_equal(number_canonical(out, "091\n2", 5, "84"), -EINVAL);
	assert_int_equal(number_canonical(out, "091\0002", 5, "84"), -EINVAL);
	assert_int_equal(number_canonical(out, "a\x7f", 2, "84"), -EINVAL);
	memset(longest, '9', sizeof(longest));
	assert_int_equal(number_canonical(out, longest, NUMBER_SIZE, "84"), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(number_canonical(out, longest, NUMBER_SIZE, "84"), -EINVAL);
	assert_string_equal(out, "untouched");
	assert_int_equal(number_canonical(out, longest, NUMBER_SIZE - 1, "84"), NUMBER_SIZE - 1);
	longest[0] = '+';
	memset(longest + 1, '9', NUMBER_SIZE - 1);
	assert_int_equal(number_canonical(out, longest, NUMBER_SIZE, "84"), -EINVAL);
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
	    cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
