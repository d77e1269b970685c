/* postage: "a JSON number that reads back exactly as it was recorded (an IEEE double in its shortest form)" (contract §1). */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "contract/contract.h"

static void write_to(char out[64], double value)
{
	struct buffer buffer = {0};
	contract_write_double(&buffer, value);
	assert_false(buffer.failed);
	assert_in_range(buffer.length, 1, 63);
	memcpy(out, buffer.data, buffer.length);
	out[buffer.length] = '\0';
	buffer_free(&buffer);
}

static void assert_written(double value, const char *expected)
{
	char text[64];
	write_to(text, value);
	assert_string_equal(text, expected);
}

static void charges_are_written_as_people_write_them(void **state)
{
	(void)state;
	assert_written(6.1, "6.1");
	assert_written(1500.0, "1500");
	assert_written(0, "0");
	assert_written(-0.0, "-0");
	assert_written(0.1, "0.1");
	assert_written(0.1 + 0.2, "0.30000000000000004");
	assert_written(1234567.89, "1234567.89");
	assert_written(-12.5, "-12.5");
	assert_written(100000, "100000");
	assert_written(0.05, "0.05");
	assert_written(2.0 / 3, "0.6666666666666666");
	assert_written(9007199254740993.0, "9007199254740992");
	assert_written(123456789012345680.0, "123456789012345680");
}

static void very_large_and_small_ones_have_an_exponent(void **state)
{
	(void)state;
	assert_written(1e17, "100000000000000000");
	assert_written(1e18, "1e18");
	assert_written(1.5e18, "1.5e18");
	assert_written(1.5e300, "1.5e300");
	assert_written(0.000001, "0.000001");
	assert_written(0.0000001, "1e-7");
	assert_written(0.00000125, "0.00000125");
	assert_written(5e-324, "5e-324");
	assert_written(2.2250738585072014e-308, "2.2250738585072014e-308");
	assert_written(1.7976931348623157e308, "1.7976931348623157e308");
}

static void what_json_has_no_number_for_is_zero(void **state)
{
	(void)state;
	assert_written(NAN, "0");
	assert_written(INFINITY, "0");
	assert_written(-INFINITY, "0");
}

/* The shortest form of a power of two may be the decimal above the nearest one. */
static void powers_of_two_have_their_shortest_form(void **state)
{
	(void)state;
	assert_written(0x1p-44, "5.684341886080802e-14");
	assert_written(-0x1p-44, "-5.684341886080802e-14");
	assert_written(0x1p-24, "5.960464477539063e-8");
	assert_written(0x1p-1017, "7.120236347223045e-307");
	assert_written(0x1p149, "7.1362384635298e44");
	assert_written(0x1p-25, "2.9802322387695312e-8");
}

static int significant_digits(const char *text)
{
	int count = 0, zeros = 0;
	for (; *text && *text != 'e'; ++text) {
		if (*text < '0' || *text > '9' || (*text == '0' && !count))
			continue;
		++count;
		zeros = *text == '0' ? zeros + 1 : 0;
	}
	return count - zeros;
}

static void assert_shortest(double value)
{
	char text[64], other[400];
	write_to(text, value);
	double again = strtod(text, NULL);
	assert_memory_equal(&again, &value, sizeof(value));
	int digits = significant_digits(text);
	if (digits > 1) {
		snprintf(other, sizeof(other), "%.*g", digits - 1, value);
		assert_true(strtod(other, NULL) != value);
	}
	json_t *number = json_loads(text, JSON_DECODE_ANY, NULL);
	assert_true(json_is_number(number));
	json_decref(number);
}

/* A fixed sequence of numbers that look random. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void every_double_reads_back_and_no_shorter_form_does(void **state)
{
	(void)state;
	uint64_t seed = UINT64_C(88172645463325252);
	for (int i = 0; i < 200000; ++i) {
		uint64_t bits = next_random(&seed);
		double value;
		memcpy(&value, &bits, sizeof(value));
		if (isfinite(value))
			assert_shortest(value);
	}
	/* The same for the smallest ones, which have fewer bits. */
	for (int i = 0; i < 20000; ++i) {
		uint64_t bits = next_random(&seed) >> (12 + i % 52);
		double value;
		memcpy(&value, &bits, sizeof(value));
		if (value != 0)
			assert_shortest(value);
	}
}

static void every_decimal_is_written_as_it_was_recorded(void **state)
{
	(void)state;
	uint64_t seed = 42;
	for (int i = 0; i < 100000; ++i) {
		char text[64];
		int decimals = i % 7;
		uint64_t scaled = next_random(&seed) % UINT64_C(100000000000);
		snprintf(text, sizeof(text), "%.*f", decimals, (double)scaled / pow(10, decimals));
		if (strchr(text, '.'))
			for (char *end = text + strlen(text) - 1; *end == '0' || *end == '.'; --end) {
				bool point = *end == '.';
				*end = '\0';
				if (point)
					break;
			}
		assert_written(strtod(text, NULL), text);
		assert_shortest(strtod(text, NULL));
	}
	for (int power = -300; power <= 300; ++power) {
		assert_shortest(pow(2, power));
		assert_shortest(nextafter(pow(2, power), 0));
		assert_shortest(pow(10, power));
	}
}

/* With a locale that the test makes: a machine may have none with a decimal comma. */
static void it_does_not_depend_on_the_locale(void **state)
{
	static const char definition[] =
	    "LC_CTYPE\ncopy \"POSIX\"\nEND LC_CTYPE\n"
	    "LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \".\"\ngrouping 3;3\nEND LC_NUMERIC\n";
	(void)state;
	char folder[] = "/tmp/locale-test-XXXXXX", path[64], command[256];
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/source", folder);
	FILE *source = fopen(path, "w");
	assert_non_null(source);
	fputs(definition, source);
	assert_int_equal(fclose(source), 0);
	/* Its exit status is 1 for the categories that are missing. */
	snprintf(command, sizeof(command), "localedef -c -i %s %s/comma 2>%s/messages", path, folder, folder);
	bool ran = system(command) != -1;
	setenv("LOCPATH", folder, 1);
	bool made = setlocale(LC_NUMERIC, "comma");
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
	if (!ran || !made)
		fail_msg("no locale could be made: localedef needs Debian's package locales");
	assert_string_equal(localeconv()->decimal_point, ",");
	assert_written(6.1, "6.1");
	assert_written(0.1 + 0.2, "0.30000000000000004");
	assert_written(1.5e300, "1.5e300");
	setlocale(LC_NUMERIC, "C");
	unsetenv("LOCPATH");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(charges_are_written_as_people_write_them),
	    cmocka_unit_test(very_large_and_small_ones_have_an_exponent),
	    cmocka_unit_test(what_json_has_no_number_for_is_zero),
	    cmocka_unit_test(powers_of_two_have_their_shortest_form),
	    cmocka_unit_test(every_double_reads_back_and_no_shorter_form_does),
	    cmocka_unit_test(every_decimal_is_written_as_it_was_recorded),
	    cmocka_unit_test(it_does_not_depend_on_the_locale),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
