/*
 * descriptors: how many files and connections this process may hold.
 */
#ifndef CALLHISTORY_BASE_DESCRIPTORS_H
#define CALLHISTORY_BASE_DESCRIPTORS_H

#include <sys/resource.h>

/* Allows as many as the system does, all but `reserve` of them; where the system allows few, all of them. */
void descriptors_allow(rlim_t reserve);

#endif
