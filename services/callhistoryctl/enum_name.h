/*
 * enum_name: the values of the API's enums as words of the command line:
 * DISPOSITION_NO_ANSWER is "no-answer". Pure; thread-safe.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

enum { ENUM_NAME_SIZE = 48 };

/* Writes the word for a value, "unknown value N" for one without a name, and "" for 0, UNSPECIFIED. Returns `out`. */
const char *enum_name(const ProtobufCEnumDescriptor *type, int value, char out[ENUM_NAME_SIZE]);

/* The value that a word stands for, in any case and with '_' or '-'; 0, UNSPECIFIED, for any other text. */
int enum_value(const ProtobufCEnumDescriptor *type, const char *text);
