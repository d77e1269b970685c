/*
 * redis: a pipelined, self-mending client of one Redis server, of the server that sentinels name, or of a cluster; the
 * only module that includes hiredis.
 *
 * Commands are appended to an output buffer and go out together in redis_run(). Callers know no hosts: in a cluster a
 * command goes to the owner of its key's slot, and redirections are followed here. Commands that only read and those
 * that may write go over separate connections, and each kind's replies come back in order, but for errors, which do not
 * wait for --redis-ack.
 *
 * A broken connection is made again with jittered backoff (the first one too, so that a Redis that is not up yet is no
 * error), and every command without a reply is sent again, until its deadline: so all commands must be safe to repeat.
 * A command whose deadline has passed or that was cancelled is not sent any more. A command that has been sent, or that
 * only reads, does not expire because this program was paused. Every callback fires exactly once unless redis_cancel()
 * withdraws its command, from redis_run() or redis_destroy(), never from inside redis_command().
 *
 * Not built: reads from replicas, because a Redis replica answers as if keys did not exist while their slot migrates
 * from its master; functions, which an administrator would have to load on every master; proxies, which know neither
 * EVALSHA_RO nor ASKING.
 *
 * Not thread-safe: one client belongs to one worker. Nothing here logs. With rediss, the program must ignore SIGPIPE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redis;
struct option; /* base/option.h */

enum redis_type { REDIS_NIL, REDIS_STRING, REDIS_INTEGER, REDIS_ARRAY, REDIS_STATUS, REDIS_ERROR };

/* A reply; it and all below it are valid during the callback only. */
struct redis_reply {
	enum redis_type type;
	int64_t integer;                           /* INTEGER */
	const char *data;                          /* STRING, STATUS, ERROR: bytes, with a NUL byte after them */
	size_t length;                             /* of data */
	const struct redis_reply *const *elements; /* ARRAY */
	size_t count;                              /* of elements */
};

/*
 * Takes the outcome of one command. status 0: `reply` is the reply (which may be of type ERROR). -ETIMEDOUT: the
 * deadline passed. -ECANCELED: redis_destroy(). -EPROTO: the reply made no sense. -E2BIG: reply above the cap. On
 * failure reply is NULL.
 */
typedef void redis_callback(void *data, int status, const struct redis_reply *reply);

struct redis_options {
	const char *url;                        /* see redis/url.h */
	int64_t backoff_min_us, backoff_max_us; /* default 20 ms and 1 s; doubled at each try, jittered down to a half */
	size_t max_pending;                     /* commands without a reply; beyond it -EBUSY. Default 65536 */
	size_t max_reply_bytes;                 /* default 64 MiB */

	/*
	 * In a cluster and behind sentinels another server may have taken over meanwhile: a connection on which commands
	 * wait and no byte comes for this long is given up, and a reply that is older is no answer. In both cases the
	 * commands are sent again once other servers confirm this one. Must be below half of the time after which a server
	 * is replaced (cluster-node-timeout, down-after-milliseconds). Default 1 s; CLOCK_NEVER: no bound. One server may
	 * merely be busy: its replies have no bound, and its connections are given up after 5 s of silence.
	 */
	int64_t reply_age_us;

	/*
	 * Write commands count as done once this many replicas have them (WAIT), or, with ack_disk, once they are on this
	 * server's disk and those replicas' disks (WAITAOF). Else the callback gets an error reply that begins with
	 * NOTREPLICATED: the server has executed the command, and repeating it is safe. Default: 0 and false, no wait.
	 */
	unsigned ack_replicas;
	bool ack_disk;

	const char *ca, *cert, *key; /* rediss: PEM files, read again when they change; NULL: the system's ca, no others */
	const char *tls_name;        /* name in the servers' certificates, where it is not the host's; NULL: the host's */
	const char *password_file;   /* the password, in place of the URL's, read for each connection; NULL or "": none */
};

/* Fills in the defaults; the URL has none. */
void redis_options_init(struct redis_options *options);

/* Reads what write commands wait for: "local", "replicas=N" (1 to 9) or "disk". -EINVAL: it is none of these. */
int redis_options_set_ack(struct redis_options *options, const char *text);

/* Writes the rows of a program's option table that set the URL, the files and the name. Returns REDIS_OPTION_ROWS. */
enum { REDIS_OPTION_ROWS = 6 };
size_t redis_option_rows(struct redis_options *options, struct option *table);

/* Writes a Redis URL without user, password and parameters, for messages. */
void redis_redact_url(char *out, size_t size, const char *url);

/*
 * Makes a client; connecting starts in redis_run(). `options->url` is copied, the other strings must outlive the
 * client. -EINVAL with a sentence in error[0..size) for a URL that is not understood or files that cannot be read; the
 * sentence never holds the password.
 */
int redis_create(struct redis **out, const struct redis_options *options, char *error, size_t size);

/*
 * Appends a command of `argc` arguments, of which the second is its key; the bytes are copied. `deadline_us`:
 * clock_monotonic_us() scale, CLOCK_NEVER for none. 0, -ENOMEM, -EBUSY (too many pending). On failure the callback
 * does not fire.
 */
int redis_command(struct redis *redis, int argc, const char *const *argv, const size_t *lengths, int64_t deadline_us,
                  redis_callback *callback, void *data);

/*
 * As redis_command(), for a command without a key, such as SCAN: goes to the server that owns a slot of the cluster.
 * Outside of a cluster there is one server, which owns all slots.
 */
int redis_command_to(struct redis *redis, int slot, int argc, const char *const *argv, int64_t deadline_us,
                     redis_callback *callback, void *data);

/*
 * The first slot after `slot` whose owner owns none of the slots up to there; -1: there is none. So a loop that begins
 * with slot 0 addresses each server that owns slots once. Slots without an owner count as a server of their own, whose
 * commands wait.
 */
int redis_next_server(const struct redis *redis, int slot);

/*
 * Runs a script by its digest, loading it when the server does not know it (NOSCRIPT, also after a restart).
 * `script` must outlive the connection (static text). keys first, then arguments, all in argv.
 */
struct redis_script {
	const char *source;
	char sha1[41];  /* lower-case hex; redis_script_init() fills it in */
	bool read_only; /* EVALSHA_RO */
};

/* Computes the digest. `source` must outlive the script. */
void redis_script_init(struct redis_script *script, const char *source, bool read_only);

/* Runs a script; its first `keys` arguments are keys, all of one slot. Otherwise as redis_command(). */
int redis_eval(struct redis *redis, const struct redis_script *script, int keys, int argc, const char *const *argv,
               const size_t *lengths, int64_t deadline_us, redis_callback *callback, void *data);

/*
 * Withdraws every pending command that was given this `data`: its callback never fires, it is never sent (again), and
 * if it has been written already its reply is discarded. The server may still execute what has been written. May be
 * called from a callback.
 */
void redis_cancel(struct redis *redis, void *data);

/*
 * Does all that can be done without waiting: connects, writes what is appended (one write), reads, fires callbacks,
 * expires deadlines. Returns how much happened (callbacks fired and state changes); 0: nothing.
 */
int redis_run(struct redis *redis);

/* The descriptor that is readable (POLLIN) when redis_run() has something to do; the same one all the time. */
int redis_poll_fd(const struct redis *redis);

/* When redis_run() must be called next at the latest (a deadline, a backoff's end); CLOCK_NEVER: no need. */
int64_t redis_next_timer_us(const struct redis *redis);

/*
 * The connection's last error, for a log line: a sentence without the password, "" if there was none. Valid until the
 * next redis_run().
 */
const char *redis_last_error(const struct redis *redis);

/*
 * The code of Redis's last error that was no redirection, for a log line: "" when there was none. Only the code
 * (WRONGTYPE, OOM): the text may contain keys, and so phone numbers. Valid until the next redis_run().
 */
const char *redis_last_refusal(const struct redis *redis);

/*
 * Whether commands can be sent: to the server, or to at least one master of the cluster; and how many commands of the
 * caller wait for a reply.
 */
bool redis_connected(const struct redis *redis);
size_t redis_pending(const struct redis *redis);

/*
 * Whether the server, or a master of the cluster, is connected and owes no reply for longer than `within_us` without
 * sending a byte. Idle connections are probed twice a second. To be called after redis_run(), which reads what has
 * arrived.
 */
bool redis_answers(const struct redis *redis, int64_t within_us);

/* In a cluster, whether the server that a key is read from is known and up; else true. */
bool redis_reaches(const struct redis *redis, const char *key, size_t length);

/* Settings of the server that lose data, as bits. */
enum {
	REDIS_RISK_EVICTION = 1,            /* maxmemory-policy allkeys-*: calls are evicted when memory runs out */
	REDIS_RISK_NO_APPEND_ONLY_FILE = 2, /* appendonly no: a restart loses what was written since the last snapshot */
	REDIS_RISK_NO_MEMORY_LIMIT = 4, /* maxmemory 0: the kernel kills the server when the machine runs out of memory */
};

/* Counters since the start, and gauges; all of one type, so that they can be copied as an array. */
struct redis_stats {
	uint64_t commands, replies, reconnects, timeouts;
	uint64_t refusals; /* replies that were errors */
	uint64_t writes;   /* commands divided by them is the pipeline's depth */
	/* Round trips by time: bucket i counts those of at most redis_latency_bounds_us[i]; the last one all above. */
	uint64_t latency_buckets[16];
	uint64_t latency_sum_us;
	uint64_t moved, asked; /* redirections that were followed: MOVED, ASK */
	uint64_t delayed;      /* commands that were sent again later: TRYAGAIN, CLUSTERDOWN, NOREPLICAS and the like */
	uint64_t refreshes;    /* maps of the cluster, or masters, that were taken */
	uint64_t risks;        /* REDIS_RISK_* of the server that was connected to last */
	uint64_t parked;       /* commands that wait for a server */
	uint64_t unassigned;   /* slots of a cluster that have none */
	uint64_t map_age_s;    /* since the map, or the master, was confirmed; 0 for one server */
};
extern const int64_t redis_latency_bounds_us[15];
void redis_get_stats(const struct redis *redis, struct redis_stats *out);

/* Destroys it; pending callbacks fire with -ECANCELED. Takes NULL. */
void redis_destroy(struct redis *redis);
