/* contract/fault: filling in a contract_error. Thread-safe where each thread has its own arena. */
#pragma once

#include "contract/contract.h"

/*
 * Fills in *error. The message is the formatted text, behind the field's name and a blank unless `field` is NULL.
 * `field` is not copied. When out of memory the error is code 500 instead. Returns -1, for `return
 * contract_fault(...)`.
 */
int contract_fault(struct arena *arena, struct contract_error *error, int code, const char *field, const char *format,
                   ...) __attribute__((format(printf, 5, 6)));

/* Code 500: out of memory. Returns -1. */
int contract_fault_memory(struct contract_error *error);
