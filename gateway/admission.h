/* admission: counts connections over all workers, in total and per address. Thread-safe, without locks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct admission;

/* Returns 0 or -ENOMEM. */
int admission_create(struct admission **out, size_t total_max, size_t address_max);

/* Takes NULL. */
void admission_destroy(struct admission *admission);

/*
 * Counts a connection of `address`; *slot identifies it for admission_leave(). Returns false and counts nothing beyond
 * a limit. An IPv6 client is its /64 network. Clients of a UNIX socket have no address and count in total only.
 */
bool admission_enter(struct admission *admission, const struct sockaddr_storage *address, uint32_t *slot);
void admission_leave(struct admission *admission, uint32_t slot);
