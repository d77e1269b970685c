/* A canonical number is its own canonical form, and never longer than it may be. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const countries[] = {"84", "1", "7", "39", "44", "49", "61", "65", "81", "86", "852", "855"};
	char out[NUMBER_SIZE], again[NUMBER_SIZE];
	for (size_t i = 0; i < sizeof(countries) / sizeof(countries[0]); ++i) {
		int length = handlers_number_canonical(out, (const char *)data, size, countries[i]);
		if (length < 0)
			continue;
		if ((size_t)length != strlen(out) || (size_t)length >= sizeof(out))
			abort();
		if (handlers_number_canonical(again, out, (size_t)length, countries[i]) != length || strcmp(out, again))
			abort();
	}
	return 0;
}
