/*
 * handlers/text: checks of the strings of a request. Each returns 0 or fails
 * the context with INVALID_ARGUMENT and the name of the field. Pure.
 */
#pragma once

#include "base/context.h"
#include "handlers/number.h"

/* Refuses a string that is not UTF-8, has more than `max` characters or contains a control character. */
int handlers_text_check(struct context *context, const char *field, const char *text, size_t max);

/* Refuses a string that is not UTF-8 or has more than `max` bytes. */
int handlers_text_check_bytes(struct context *context, const char *field, const char *text, size_t max);

/* Refuses what is no id of a call: an empty string, more than STORE_ID_MAX bytes, control characters. */
int handlers_text_check_id(struct context *context, const char *field, const char *id);

/*
 * Reads a phone number in any spelling to its canonical form; an empty one is "". Refuses a text of which nothing is
 * left to compare.
 */
int handlers_text_read_number(struct context *context, const char *field, char out[NUMBER_SIZE], const char *text,
                              const char *country_code);
