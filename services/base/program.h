/* program: functions that the main threads of both servers use. */
#pragma once

#include <sys/resource.h>

#include "base/log.h"
#include "base/option.h"
#include "base/pem_files.h"

/* A program as its command line knows it. */
struct program_options {
	const char *name, *version, *usage; /* usage: the head of --help */
	const struct option *table;
	const char *const *log_level; /* set by the table */
	/* Checks what a table can't: 0, or -EINVAL with a sentence in error[0..size). */
	int (*check)(void *settings, char *error, size_t size);
	void *settings;
};

/*
 * Reads the command line and sets up the log. Returns -1 to continue, or the exit status: --help and --version are
 * answered; invalid usage is reported on stderr, as text on a terminal and as a log line elsewhere.
 */
int program_read_options(const struct program_options *options, struct log *log, int argc, char **argv);

/*
 * No core dump will be written of this process: it would have tokens in it. A program that the kernel pipes dumps to,
 * such as systemd-coredump, is given the limit and has to observe it.
 */
void program_forbid_core_dumps(void);

/* The number of cores in the process's affinity mask, which cpusets of containers narrow too: 1 to `most`. */
int64_t program_count_cores(int64_t most);

/* Raises the number of descriptors to what the system allows, less `reserve` if the system allows many. */
void program_allow_descriptors(rlim_t reserve);

/* Lets malloc keep freed memory for the next requests, except blocks of 128 KiB and more. Before the first thread. */
void program_tune_memory(int64_t workers);

/*
 * Bytes that requests and answers may take: of --max-memory in MiB, or, for 0, three eighths of the process's memory
 * limit.
 */
size_t program_memory_budget(int64_t max_memory_mib);

/* Since when a program has had no work; all zero at the beginning. */
struct program_idle {
	uint64_t work;
	int64_t since_us;
	bool trimmed;
};

/*
 * Returns freed memory to the system once after each busy time; while there are requests, they would need it again.
 * `work` is a number that changes whenever there has been work. To be called about once a second.
 */
void program_trim(struct program_idle *idle, uint64_t work);

/* Reads certificate files (base/pem_files.h) unless the first path is NULL. A failure is logged and returned. */
int program_open_certificates(const struct log *log, struct pem_files **out, const char *const *paths, size_t count,
                              pem_files_check *check);

/*
 * Checks whether they have changed; *last, 0 at the beginning, keeps a failure from being logged twice. Takes NULL
 * files.
 */
void program_refresh_certificates(const struct log *log, struct pem_files *files, int *last);
