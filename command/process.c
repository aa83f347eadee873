// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/process.c - service programs: what they offer, their processes, and
 *	the stand-by of each class
 *
 * DOC: Theory of Operation
 *
 * A service process gets three things when it starts: a SOCK_SEQPACKET socket
 * as descriptor 3, a pipe into the log as standard output and error, and
 * /dev/null as standard input.  It builds its sandbox, as root from where it
 * gives everything away, and then waits at the socket.  It belongs to no
 * service before the first descriptors come, so one stand-by per class, started
 * beforehand, can follow any service that dies, and a service that starts takes
 * it as well.
 *
 * Death is seen on the pidfd and nowhere else; the process is reaped there.
 * An abandoned process is killed and reaped whenever it is ready to die.  The
 * kernel kills all service processes when the daemon dies.
 *
 * Limits: lines of 511 bytes in the log, longer ones are cut; a program has 5 s
 * to describe itself.
 *
 * Failure behaviour: a stand-by that dies is replaced after 1, 2, 4, ... up to
 * 60 seconds; meanwhile a successor is started when it is needed, which only
 * takes longer.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core.h"
#include "device_class.h"
#include "log.h"
#include "process.h"
#include "spawn.h"
#include "text.h"

#define PROCESS_DESCRIBE_MSEC	5000
#define PROCESS_DESCRIBE_BYTES	65536
#define PROCESS_ENVIRONMENT_MAX	64

/* ---- start ------------------------------------------------------------- */

/*
 * Of the environment a service gets what is meant for it: our own variables,
 * and those of sanitizers.
 */
static void process_environment(char *env[static PROCESS_ENVIRONMENT_MAX])
{
	extern char **environ;
	size_t n = 0;

	env[n++] = (char *)"PATH=/usr/bin:/bin";
	env[n++] = (char *)"LC_ALL=C.UTF-8";
	for (char **e = environ; *e && n + 1 < PROCESS_ENVIRONMENT_MAX; e++) {
		const char *equals = strchr(*e, '=');

		if (!strncmp(*e, "MULLION_", 8) ||
		    (equals && equals - *e > 11 &&
		     !strncmp(equals - 11, "SAN_OPTIONS", 11)))
			env[n++] = *e;
	}
	env[n] = NULL;
}

/* Returns a pidfd. */
static int process_spawn(const char *const *argv, int sock, int output, int errors,
			 pid_t *ret_pid)
{
	char *env[PROCESS_ENVIRONMENT_MAX];
	const struct mullion_spawn spawn = {
		.path = argv[0], .argv = (char *const *)argv, .env = env,
		.socket = sock, .output = output, .errors = errors,
	};

	process_environment(env);
	return mullion_spawn(&spawn, ret_pid);
}

/* ---- descriptions ------------------------------------------------------ */

/* All of what comes out of @fd until its end, for PROCESS_DESCRIBE_MSEC. */
static ssize_t process_read_all(int fd, char *buffer, size_t bytes)
{
	struct timespec start, now;
	size_t got = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (got < bytes) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		long left;
		ssize_t n;

		clock_gettime(CLOCK_MONOTONIC, &now);
		left = PROCESS_DESCRIBE_MSEC - ((now.tv_sec - start.tv_sec) * 1000 +
			(now.tv_nsec - start.tv_nsec) / 1000000);
		if (left <= 0 || poll(&pfd, 1, (int)left) == 0)
			return -ETIMEDOUT;
		n = read(fd, buffer + got, bytes - got);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			return (ssize_t)got;
		if (n > 0)
			got += (size_t)n;
	}
	return -EMSGSIZE;
}

static int process_parse_description(struct mullion_service_class *class,
				     const char *text, size_t bytes)
{
	json_t *root = json_loadb(text, bytes, 0, NULL);
	const char *type = NULL, *ram = "read-write";
	json_int_t channel_bytes = 0, pool_share = 0, pool_max = 0;
	int r = -EPROTO;

	if (!root)
		return -EPROTO;
	if (!json_unpack(root, "{s:s, s:I, s:I, s?I, s?s}", "type", &type,
			 "channel_bytes", &channel_bytes,
			 "pool_share", &pool_share, "pool_max", &pool_max,
			 "guest_ram", &ram) &&
	    !mullion_guid_parse(type, &class->type) &&
	    !memcmp(&class->type, &class->devices->type, sizeof(class->type)) &&
	    channel_bytes > 0 && channel_bytes <= INT32_MAX &&
	    pool_share > 0 && pool_share <= INT32_MAX && pool_max >= 0) {
		class->channel_bytes = (uint64_t)channel_bytes;
		class->pool_share = (uint64_t)pool_share;
		class->pool_max = (uint64_t)pool_max;
		class->ram_read_only = !strcmp(ram, "read");
		r = 0;
	}
	json_decref(root);
	return r;
}

static int process_describe(struct mullion_service_class *class)
{
	const char *const argv[] = { class->program, "--describe", NULL };
	char *text = malloc(PROCESS_DESCRIBE_BYTES);
	int out[2], pidfd;
	siginfo_t info;
	ssize_t n;
	pid_t pid;
	int r;

	if (!text)
		return -ENOMEM;
	if (pipe2(out, O_CLOEXEC) < 0) {
		r = -errno;
		free(text);
		return r;
	}
	pidfd = process_spawn(argv, -1, out[1], 2, &pid);
	close(out[1]);
	if (pidfd < 0) {
		r = pidfd;
		goto out;
	}
	n = process_read_all(out[0], text, PROCESS_DESCRIBE_BYTES);
	/* It has said all; that it also ends is not waited for. */
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
	close(pidfd);
	r = n < 0 ? (int)n : process_parse_description(class, text, (size_t)n);
out:
	close(out[0]);
	free(text);
	return r;
}

int mullion_service_class_get(struct mullion_core *core,
			      const struct mullion_device_class *devices,
			      struct mullion_service_class **ret,
			      struct mullion_error *err)
{
	static const char what[] = "cannot use service";
	const char *name = devices->name;
	struct mullion_service_class *class;
	int r;

	for (class = core->classes; class; class = class->next) {
		if (class->devices == devices) {
			*ret = class;
			return 0;
		}
	}
	class = calloc(1, sizeof(*class));
	if (!class)
		return mullion_error_set(err, -ENOMEM, what, name, NULL, "out of memory");
	class->core = core;
	class->devices = devices;
	snprintf(class->name, sizeof(class->name), "%s", name);
	r = snprintf(class->program, sizeof(class->program), "%s/mullion-%s",
		     core->programs, name);
	if (r >= (int)sizeof(class->program) || access(class->program, X_OK) < 0) {
		r = mullion_error_set(err, -ENOENT, what, name,
				      "build or install Mullion completely",
				      "there is no program %s", class->program);
		goto fail;
	}
	r = process_describe(class);
	if (r < 0) {
		r = mullion_error_set(err, r, what, name, "see the daemon's log",
				      "%s --describe gave no valid description: %s",
				      class->program, strerror(-r));
		goto fail;
	}
	class->next = core->classes;
	core->classes = class;
	*ret = class;
	return 0;
fail:
	free(class);
	return r;
}

/* ---- log lines --------------------------------------------------------- */

/* Without what tells services and their objects apart in a log. */
static const char *process_words(const char *text)
{
	while (!strncmp(text, "service=", 8) || !strncmp(text, "object=", 7)) {
		const char *space = strchr(text, ' ');

		if (!space)
			break;
		text = space + 1;
	}
	return text;
}

void mullion_process_asked(struct mullion_process *process)
{
	mullion_lines_drain(process->log);
	process->last_words[0] = '\0';
}

const char *mullion_process_words(struct mullion_process *process)
{
	mullion_lines_drain(process->log);
	return process->last_words;
}

/* One line: "<level>text"; it comes from a process that reads hostile input. */
static void process_log_line(void *arg, const char *line)
{
	struct mullion_process *p = arg;
	char clean[MULLION_LINE_BYTES];
	const char *text = clean;
	int level = LOG_INFO;

	mullion_text_clean(line, strlen(line), clean, sizeof(clean));
	if (clean[0] == '<' && clean[1] >= '0' && clean[1] <= '7' && clean[2] == '>') {
		level = clean[1] - '0';
		text += 3;
	}
	if (!*text || (p->said && p->said(p->arg, text)))
		return;
	if (level <= LOG_WARNING && (!p->last_words[0] || level < p->words_level)) {
		snprintf(p->last_words, sizeof(p->last_words), "%.255s",
			 process_words(text));
		p->words_level = level;
	}
	mullion_log(level, p->label, "%s", text);
}

/* ---- life -------------------------------------------------------------- */

static void process_free(struct mullion_process *p)
{
	if (!p)
		return;
	sd_event_source_disable_unref(p->pid_source);
	mullion_lines_free(p->log);
	if (p->sock >= 0)
		close(p->sock);
	if (p->pidfd >= 0)
		close(p->pidfd);
	free(p);
}

static int process_on_exit(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct mullion_process *p = arg;
	siginfo_t info = { 0 };
	char how[384];
	int n;

	(void)source;
	(void)revents;
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 || !info.si_pid)
		return 0;
	mullion_lines_drain(p->log);
	if (info.si_code == CLD_EXITED)
		n = snprintf(how, sizeof(how), "exited with status %d", info.si_status);
	else
		n = snprintf(how, sizeof(how), "was killed by signal %d (%s)",
			     info.si_status, sigdescr_np(info.si_status) ?
			     sigdescr_np(info.si_status) : "unknown");
	if (p->last_words[0] && info.si_code == CLD_EXITED)
		snprintf(how + n, sizeof(how) - (size_t)n, ": %s", p->last_words);
	if (p->exited)
		p->exited(p->arg, info.si_code == CLD_EXITED ? 0 : info.si_status,
			  how);
	process_free(p);
	return 0;
}

int mullion_process_start(sd_event *event, const char *const *argv, int sock,
			  const char *label, struct mullion_process **ret)
{
	struct mullion_process *p = calloc(1, sizeof(*p));
	int pipes[2] = { -1, -1 };
	int r;

	if (!p)
		return -ENOMEM;
	p->pidfd = -1;
	p->sock = -1;
	snprintf(p->label, sizeof(p->label), "%s", label);
	if (pipe2(pipes, O_CLOEXEC) < 0) {
		r = -errno;
		goto fail;
	}
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	r = mullion_lines_new(event, pipes[0], process_log_line, p, &p->log);
	if (r < 0)
		goto fail;
	mullion_lines_limit(p->log);
	/* standard output is another way to say something */
	r = process_spawn(argv, sock, pipes[1], pipes[1], &p->pid);
	if (r < 0)
		goto fail;
	p->pidfd = r;
	r = sd_event_add_io(event, &p->pid_source, p->pidfd, EPOLLIN, process_on_exit, p);
	if (r < 0) {
		mullion_process_kill(p);
		waitid(P_PIDFD, (id_t)p->pidfd, &(siginfo_t){ 0 }, WEXITED);
		goto fail;
	}
	close(pipes[1]);
	*ret = p;
	return 0;
fail:
	/* the reading end is the reader's */
	if (pipes[1] >= 0)
		close(pipes[1]);
	process_free(p);
	return r;
}

static int process_new(struct mullion_service_class *class, const char *label,
		       struct mullion_process **ret)
{
	const char *const argv[] = { class->program, NULL };
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	r = mullion_process_start(class->core->event, argv, pair[1], label, ret);
	close(pair[1]);
	if (r < 0)
		close(pair[0]);
	else
		(*ret)->sock = pair[0];
	return r;
}

void mullion_process_ask_to_end(struct mullion_process *p)
{
	if (p->sock >= 0)
		close(p->sock);
	p->sock = -1;
}

void mullion_process_kill(struct mullion_process *p)
{
	syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
}

void mullion_process_abandon(struct mullion_process *p)
{
	p->exited = NULL;
	p->said = NULL;
	p->arg = NULL;
	mullion_process_kill(p);
}

/* ---- stand-bys --------------------------------------------------------- */

static void process_standby_later(struct mullion_service_class *class);

static void process_standby_died(void *arg, int signal_number, const char *how)
{
	struct mullion_service_class *class = arg;

	(void)signal_number;
	class->standby = NULL;
	if (!class->services)
		return;
	class->standby_failures++;
	mullion_event_emit(class->core->events, LOG_WARNING, "service stand-by",
			   "standby-died", "the %s stand-by %s", class->name, how);
	process_standby_later(class);
}

static void process_standby_start(struct mullion_service_class *class)
{
	struct mullion_process *p;
	int r;

	if (class->standby || !class->services)
		return;
	r = process_new(class, "service stand-by", &p);
	if (r < 0) {
		class->standby_failures++;
		mullion_log(LOG_WARNING, "service stand-by",
			    "cannot start a %s stand-by: %s", class->name,
			    strerror(-r));
		process_standby_later(class);
		return;
	}
	p->exited = process_standby_died;
	p->arg = class;
	class->standby = p;
}

static int process_on_standby_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_service_class *class = arg;

	(void)source;
	(void)usec;
	class->standby_timer = sd_event_source_unref(class->standby_timer);
	process_standby_start(class);
	return 0;
}

static void process_standby_later(struct mullion_service_class *class)
{
	unsigned int shift = class->standby_failures > 6 ? 6 : class->standby_failures;
	uint64_t usec = 500000ULL << shift;

	if (class->standby_timer)
		return;
	if (usec > 60000000)
		usec = 60000000;
	/* without a timer there is no stand-by, and successors start later */
	sd_event_add_time_relative(class->core->event, &class->standby_timer,
				   CLOCK_MONOTONIC, usec, 0,
				   process_on_standby_timer, class);
}

void mullion_service_class_prepare(struct mullion_service_class *class)
{
	if (!class->standby_timer)
		process_standby_start(class);
}

void mullion_service_class_rest(struct mullion_service_class *class)
{
	class->standby_timer = sd_event_source_disable_unref(class->standby_timer);
	class->standby_failures = 0;
	if (class->standby)
		mullion_process_abandon(class->standby);
	class->standby = NULL;
}

int mullion_process_take(struct mullion_service_class *class, const char *label,
			 mullion_process_exit_fn exited, void *arg,
			 struct mullion_process **ret, struct mullion_error *err)
{
	struct mullion_process *p = class->standby;
	int r;

	class->standby = NULL;
	if (p) {
		class->standby_failures = 0;
		snprintf(p->label, sizeof(p->label), "%s", label);
	} else {
		r = process_new(class, label, &p);
		if (r < 0)
			return mullion_error_set(err, r, "cannot start", label, NULL,
				"%s: %s", class->program, strerror(-r));
	}
	p->exited = exited;
	p->arg = arg;
	*ret = p;
	return 0;
}

void mullion_service_class_free_all(struct mullion_core *core)
{
	while (core->classes) {
		struct mullion_service_class *class = core->classes;
		struct mullion_process *p = class->standby;

		core->classes = class->next;
		class->standby = NULL;
		class->standby_timer = sd_event_source_disable_unref(class->standby_timer);
		if (p) {
			mullion_process_kill(p);
			waitid(P_PIDFD, (id_t)p->pidfd, &(siginfo_t){ 0 }, WEXITED);
			process_free(p);
		}
		free(class);
	}
}
