/*
 * descriptors: how many files and connections this process may hold.
 */
#ifndef CALLHISTORY_BASE_DESCRIPTORS_H
#define CALLHISTORY_BASE_DESCRIPTORS_H

#include <sys/resource.h>

/* Raises the limit to what the system allows, less `reserve` if the system allows many. */
void descriptors_allow(rlim_t reserve);

#endif
