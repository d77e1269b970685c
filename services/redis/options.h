/* redis/options: the options of a program that name its Redis, and how a log or a message names it. */
#pragma once

#include "base/option.h"
#include "redis/redis.h"

enum { REDIS_OPTION_ROWS = 6 };

/*
 * Writes the rows of an option table that set the URL, the files and the name of *options. Returns REDIS_OPTION_ROWS.
 */
size_t redis_option_rows(struct redis_options *options, struct option *table);

/* Writes a Redis URL without user, password and parameters, for messages. */
void redis_redact_url(char *out, size_t size, const char *url);
