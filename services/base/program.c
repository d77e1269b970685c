/* program: usage, limits of the process, memory, certificate files. */
#include "base/program.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

enum { EXIT_USAGE = 2, TRIM_AFTER_US = 1500000 };

static int report_usage(struct log *log, const char *program, const char *sentence)
{
	if (!log_init(log, program, "info") && log->json)
		log_write(log, LOG_ERROR, "invalid usage", "reason", sentence, NULL);
	else
		fprintf(stderr, "%s: %s\nTry %s --help\n", program, sentence, program);
	return EXIT_USAGE;
}

int program_read_options(const struct program_options *options, struct log *log, int argc, char **argv)
{
	char error[512];
	int rest = argc;
	program_forbid_core_dumps();
	int result = option_parse(options->table, argc, argv, &rest, error, sizeof(error));
	if (result == OPTION_HELP) {
		option_help(options->table, options->usage, stdout);
		return EXIT_SUCCESS;
	}
	if (result == OPTION_VERSION) {
		printf("%s %s\n", options->name, options->version);
		return EXIT_SUCCESS;
	}
	if (!result && rest < argc)
		result = snprintf(error, sizeof(error), "unexpected argument %.64s: no arguments are taken, only options",
		                  argv[rest]);
	else if (!result && log_init(log, options->name, *options->log_level))
		result = snprintf(error, sizeof(error), "--log-level must be debug, info, warn or error");
	else if (!result)
		result = options->check(options->settings, error, sizeof(error));
	return result ? report_usage(log, options->name, error) : -1;
}

int64_t program_count_cores(int64_t most)
{
	cpu_set_t cores;
	int64_t count = sched_getaffinity(0, sizeof(cores), &cores) ? 1 : CPU_COUNT(&cores);
	return count > most ? most : count;
}

void program_forbid_core_dumps(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){.rlim_cur = 0, .rlim_max = 0});
}

void program_allow_descriptors(rlim_t reserve)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur =
	    limit.rlim_max == RLIM_INFINITY || limit.rlim_max / 2 < reserve ? limit.rlim_max : limit.rlim_max - reserve;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void program_tune_memory(int64_t workers)
{
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
	mallopt(M_TOP_PAD, 1 << 20);
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_ARENA_MAX, (int)workers + 1);
}

size_t program_memory_budget(int64_t max_memory_mib)
{
	return max_memory_mib ? (size_t)max_memory_mib << 20 : (size_t)(memory_limit() / 8 * 3);
}

void program_trim(struct program_idle *idle, uint64_t work)
{
	int64_t now_us = clock_monotonic_us();
	if (work != idle->work) {
		*idle = (struct program_idle){.work = work, .since_us = now_us};
	} else if (!idle->trimmed && now_us - idle->since_us >= TRIM_AFTER_US) {
		idle->trimmed = true;
		malloc_trim(0);
	}
}

static const char *certificate_reason(int result)
{
	return result == -ENOKEY   ? PEM_FILES_ENCRYPTED
	       : result == -EINVAL ? "certificate, key and authorities are not PEM texts that belong together"
	                           : strerror(-result);
}

int program_open_certificates(const struct log *log, struct pem_files **out, const char *const *paths, size_t count,
                              pem_files_check *check)
{
	const char *culprit = NULL;
	int result = paths[0] ? pem_files_create(out, paths, count, check, &culprit) : 0;
	if (result)
		log_write(log, LOG_ERROR, "can't use a certificate file", "file", culprit, "reason", certificate_reason(result),
		          NULL);
	return result;
}

void program_refresh_certificates(const struct log *log, struct pem_files *files, int *last)
{
	const char *culprit = NULL;
	int result = files ? pem_files_refresh(files, &culprit) : 0;
	if (result > 0)
		log_write(log, LOG_INFO, "certificate files were read again", "file", culprit, NULL);
	else if (result < 0 && result != *last)
		log_write(log, LOG_WARN, "can't use a certificate file: the old certificates remain in use", "file", culprit,
		          "reason", certificate_reason(result), NULL);
	*last = result;
}
