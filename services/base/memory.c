/* memory: the limits of a cgroup and of all its visible parents apply. */
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

/* The number in a file; UINT64_MAX if there is none, as for "max". */
static uint64_t read_number(const char *path)
{
	unsigned long long number;
	FILE *file = fopen(path, "re");
	if (!file)
		return UINT64_MAX;
	bool found = fscanf(file, "%llu", &number) == 1;
	fclose(file);
	return found ? number : UINT64_MAX;
}

/* The least limit of a folder and of those above it; cuts `path` down to `root`. */
static uint64_t least_above(char *path, size_t root, const char *name)
{
	uint64_t least = UINT64_MAX;
	for (;;) {
		char file[PATH_SIZE + 64];
		snprintf(file, sizeof(file), "%s/%s", path, name);
		uint64_t limit = read_number(file);
		least = limit < least ? limit : least;
		char *slash = strrchr(path + root, '/');
		if (!slash)
			return least;
		*slash = '\0';
	}
}

static uint64_t cgroup_limit(void)
{
	static const char unified[] = "/sys/fs/cgroup", old[] = "/sys/fs/cgroup/memory";
	char line[PATH_SIZE], path[PATH_SIZE + 32];
	uint64_t least = UINT64_MAX;
	FILE *file = fopen("/proc/self/cgroup", "re");
	while (file && fgets(line, sizeof(line), file)) {
		char *controllers = strchr(line, ':'), *own = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!own)
			continue;
		*own++ = '\0';
		own[strcspn(own, "\n")] = '\0';
		bool is_unified = controllers[1] == '\0';
		if (!is_unified && !strstr(controllers, "memory"))
			continue;
		const char *root = is_unified ? unified : old;
		snprintf(path, sizeof(path), "%s%s", root, own);
		uint64_t limit = least_above(path, strlen(root), is_unified ? "memory.max" : "memory.limit_in_bytes");
		least = limit < least ? limit : least;
	}
	if (file)
		fclose(file);
	return least;
}

uint64_t memory_limit(void)
{
	uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t limit = cgroup_limit();
	return limit < machine ? limit : machine;
}

bool memory_take(struct memory_budget *budget, size_t bytes)
{
	if (!budget)
		return true;
	size_t before = atomic_fetch_add_explicit(&budget->used, bytes, memory_order_relaxed);
	if (before <= budget->limit && bytes <= budget->limit - before)
		return true;
	atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&budget->refused, 1, memory_order_relaxed);
	return false;
}

void memory_give(struct memory_budget *budget, size_t bytes)
{
	if (budget)
		atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
}
