/* Fuzzes dates: one that is read must be written as it was, but for hours that the zone skips. */
#include <stdint.h>
#include <stdlib.h>

#include "contract/contract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct contract_zone *fixed, *changing;
	int64_t moment, again;
	char text[19];
	if (!fixed && (contract_zone_create(&fixed, "UTC") || contract_zone_create(&changing, "Europe/Berlin")))
		return 0;
	if (!contract_zone_parse(fixed, (const char *)data, size, &moment)) {
		contract_zone_format(fixed, moment, text);
		if (memcmp(text, data, sizeof(text)))
			abort();
	}
	if (!contract_zone_parse(changing, (const char *)data, size, &moment)) {
		contract_zone_format(changing, moment, text);
		if (contract_zone_parse(changing, text, sizeof(text), &again) || again != moment)
			abort();
	}
	return 0;
}
