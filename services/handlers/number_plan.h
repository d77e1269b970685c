/*
 * handlers/number_plan: decides by a national numbering plan which digits are the same number
 * (services/handlers/README.md describes the plans). Pure; thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Writes the canonical form of a number to `out`, without a NUL at the end. It has at most one byte more than `digits`,
 * which does not include the plus. `plus`: the number was written with one. `digits` is NUL-terminated and not empty.
 * Returns the bytes written.
 */
size_t handlers_number_plan_write(char *out, const char *digits, bool plus, const char *country_code);

/* Whether the numbers of this country keep the zero that people write as (0) after the country code. */
bool handlers_number_plan_keeps_zero(const char *country_code, size_t length);
