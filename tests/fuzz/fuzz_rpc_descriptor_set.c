/* Fuzzes reflection's look-ups: one byte of length, a symbol of that length, then a descriptor set. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/descriptor_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct descriptor_set set;
	char symbol[256];
	size_t files[DESCRIPTOR_SET_FILES];
	if (size == 0)
		return 0;
	size_t length = data[0] < size - 1 ? data[0] : size - 1;
	memcpy(symbol, data + 1, length);
	symbol[length] = '\0';
	if (descriptor_set_read(&set, data + 1 + length, size - 1 - length))
		return 0;
	int found = descriptor_set_symbol(&set, symbol);
	if (found >= (int)set.n_files || descriptor_set_file(&set, symbol) >= (int)set.n_files)
		abort();
	if (found < 0 && descriptor_set_is_message(&set, symbol))
		abort();
	for (size_t i = 0; i < set.n_files; i++)
		if (descriptor_set_imports(&set, i, files) > set.n_files)
			abort();
	return 0;
}
