/* descriptors: the soft limit is raised to the hard one. */
#include "base/descriptors.h"

void descriptors_allow(rlim_t reserve)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur =
	    limit.rlim_max == RLIM_INFINITY || limit.rlim_max / 2 < reserve ? limit.rlim_max : limit.rlim_max - reserve;
	setrlimit(RLIMIT_NOFILE, &limit);
}
