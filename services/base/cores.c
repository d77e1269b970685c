/* cores: the affinity mask, which cpusets of containers narrow too. */
#include "base/cores.h"

#include <sched.h>

int64_t cores_count(int64_t most)
{
	cpu_set_t cores;
	int64_t count = sched_getaffinity(0, sizeof(cores), &cores) ? 1 : CPU_COUNT(&cores);
	return count > most ? most : count;
}
