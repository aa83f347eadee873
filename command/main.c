// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/main.c - mulliond: options, loop, beginning and end
 *
 * Without --foreground the daemon goes to the background once its socket
 * answers, so that whoever started it can connect when the command returns.
 * A signal ends it in order: guests are asked to power off for a short while,
 * then killed; services end; streams are closed; socket, lock and runtime
 * folder are removed.  A second signal skips the waiting.
 *
 * When the daemon is killed its children die with it (PR_SET_PDEATHSIG), and
 * what it leaves in the runtime folder is replaced by the next one.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "../channel/guard.h"
#include "core.h"
#include "daemon.h"
#include "guest.h"
#include "http.h"
#include "log.h"
#include "network.h"
#include "socket.h"

#define IDLE_SECONDS	30
#define END_SECONDS	10.0	/* for guests to power off */
#define FORCE_SECONDS	15	/* from their kill to ours */

struct main_options {
	bool foreground;
	int idle_seconds;	/* 0: never */
	int64_t group;
};

static struct mullion_daemon main_daemon = { .group = -1 };
static sd_event_source *main_idle;
static sd_event_source *main_force;

static void main_usage(FILE *out)
{
	fprintf(out,
		"Usage: mulliond [OPTION]...\n"
		"The command partition of Mullion: guests, services, and the API for them.\n"
		"\n"
		"  --foreground           stay in the foreground, log to standard error\n"
		"  --idle-exit[=SECONDS]  end when no guest runs, no network was started and no\n"
		"                         client is connected for so long (%d)\n"
		"  --group GROUP          members of GROUP may use the API as well\n"
		"  --debug                log more\n"
		"  --help, --version\n", IDLE_SECONDS);
}

static int main_number(const char *text, int *ret)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < 0 || value > 1000000)
		return -EINVAL;
	*ret = (int)value;
	return 0;
}

/* Return: 0 to go on, 1 to end well, negative to end badly. */
static int main_parse(int argc, char **argv, struct main_options *options)
{
	static const struct option long_options[] = {
		{ "foreground",	no_argument,		NULL, 'f' },
		{ "idle-exit",	optional_argument,	NULL, 'i' },
		{ "group",	required_argument,	NULL, 'g' },
		{ "debug",	no_argument,		NULL, 'd' },
		{ "help",	no_argument,		NULL, 'h' },
		{ "version",	no_argument,		NULL, 'v' },
		{ NULL,		0,			NULL, 0 },
	};
	struct group *group;
	int c;

	options->group = -1;
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
		switch (c) {
		case 'f':
			options->foreground = true;
			break;
		case 'i':
			options->idle_seconds = IDLE_SECONDS;
			if (optarg && main_number(optarg, &options->idle_seconds)) {
				fprintf(stderr, "mulliond: --idle-exit: \"%s\" is not a number of seconds\n",
					optarg);
				return -EINVAL;
			}
			break;
		case 'g':
			group = getgrnam(optarg);
			if (!group) {
				fprintf(stderr, "mulliond: --group: there is no group \"%s\"\n",
					optarg);
				return -EINVAL;
			}
			options->group = group->gr_gid;
			break;
		case 'd':
			mullion_log_set_level(LOG_DEBUG);
			break;
		case 'h':
			main_usage(stdout);
			return 1;
		case 'v':
			printf("mulliond %s\n", MULLION_VERSION);
			return 1;
		default:
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "mulliond: unknown argument \"%s\"; see --help\n", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

static unsigned int main_networks(const struct mullion_daemon *daemon)
{
	return daemon->core ? mullion_networks_pinned(daemon->core) : 0;
}

static int main_idle_over(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_daemon *daemon = arg;

	(void)source;
	(void)usec;
	if (!mullion_cp_guests_running(daemon) && !main_networks(daemon) &&
	    !mullion_http_clients(daemon->http)) {
		mullion_log(LOG_INFO, NULL, "idle; ending");
		daemon->stopping = true;
		sd_event_exit(daemon->event, 0);
	}
	return 0;
}

void mullion_daemon_idle_check(struct mullion_daemon *daemon)
{
	bool idle = !mullion_cp_guests_running(daemon) && !main_networks(daemon) &&
		    (!daemon->http || !mullion_http_clients(daemon->http));
	int on;

	if (daemon->stopping) {
		if (!mullion_cp_guests_running(daemon))
			sd_event_exit(daemon->event, 0);
		return;
	}
	if (!main_idle)
		return;
	sd_event_source_get_enabled(main_idle, &on);
	if (!idle)
		sd_event_source_set_enabled(main_idle, SD_EVENT_OFF);
	else if (on == SD_EVENT_OFF &&
		 sd_event_source_set_time_relative(main_idle, daemon->idle_usec) >= 0)
		sd_event_source_set_enabled(main_idle, SD_EVENT_ONESHOT);
}

static int main_forced(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_daemon *daemon = arg;

	(void)source;
	(void)usec;
	mullion_log(LOG_WARNING, NULL, "something does not end; ending it by force");
	sd_event_exit(daemon->event, 0);
	return 0;
}

static void main_end_guests(struct mullion_daemon *daemon, bool now)
{
	struct mullion_cp_guest *guest = NULL;

	while ((guest = mullion_cp_guest_next(daemon, guest))) {
		if (now || !mullion_cp_guest_online(guest))
			mullion_cp_guest_kill(guest, "mulliond was ended", NULL);
		else
			mullion_cp_guest_stop(guest, END_SECONDS, NULL);
	}
}

static int main_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct mullion_daemon *daemon = arg;
	bool again = daemon->stopping;

	(void)source;
	mullion_log(LOG_INFO, NULL, "%s: ending", strsignal((int)info->ssi_signo));
	daemon->stopping = true;
	sd_notify(0, "STOPPING=1");
	main_end_guests(daemon, again);
	if (!main_force)
		sd_event_add_time_relative(daemon->event, &main_force, CLOCK_MONOTONIC,
					   (uint64_t)(END_SECONDS + FORCE_SECONDS) * 1000000, 0,
					   main_forced, daemon);
	mullion_daemon_idle_check(daemon);
	return 0;
}

static int main_loop_init(struct mullion_daemon *daemon, const struct main_options *options)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t mask;
	size_t i;
	int r;

	sigemptyset(&mask);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&mask, signals[i]);
	/* Whoever started us may have blocked SIGALRM, or have the kernel reap our children. */
	sigprocmask(SIG_SETMASK, &mask, NULL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	r = sd_event_default(&daemon->event);
	for (i = 0; r >= 0 && i < sizeof(signals) / sizeof(signals[0]); i++)
		r = sd_event_add_signal(daemon->event, NULL, signals[i], main_signal, daemon);
	if (r >= 0)
		r = sd_event_set_watchdog(daemon->event, true);
	if (r >= 0 && options->idle_seconds) {
		daemon->idle_usec = (uint64_t)options->idle_seconds * 1000000;
		r = sd_event_add_time_relative(daemon->event, &main_idle, CLOCK_MONOTONIC,
					       daemon->idle_usec, 0, main_idle_over, daemon);
	}
	return r < 0 ? r : 0;
}

/* A descriptor of ours that got one of these numbers would be taken for it. */
static int main_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return -errno;
	} while (fd <= STDERR_FILENO);
	close(fd);
	return 0;
}

/* A guest has some forty descriptors: doorbells of two peers for each window. */
static void main_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int main_fail(int r, const char *what)
{
	if (r < 0)
		mullion_log(LOG_ERR, NULL, "cannot start: %s: %s", what, strerror(-r));
	return r;
}

/* Standard error of a daemon in the background. */
static int main_log_file(const struct mullion_paths *paths)
{
	char path[PATH_MAX + 16];
	int null;

	snprintf(path, sizeof(path), "%s/mulliond.log", paths->state);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return -errno;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (mullion_log_to_file(path) < 0)
		dup2(null, STDERR_FILENO);
	close(null);
	return 0;
}

static int main_serve(struct mullion_daemon *daemon, const struct main_options *options,
		      struct mullion_socket *sock, int ready_fd)
{
	int fd = sock->listen_fd;
	int r;

	r = main_fail(main_loop_init(daemon, options), "loop");
	if (r < 0)
		return r;
	/* the RAM of guests that others have made may go at any moment */
	r = main_fail(mullion_guard_init(), "signals");
	if (r < 0)
		return r;
	r = main_fail(mullion_core_new(&daemon->core, daemon->event, daemon->paths.programs),
		      "core");
	if (r < 0)
		return r;
	daemon->core->paths = &daemon->paths;
	sock->listen_fd = -1;
	r = main_fail(mullion_http_new(daemon, fd, &daemon->http), "HTTP server");
	if (r < 0)
		return r;
	/* Until here whoever started us reads why it did not work. */
	if (!options->foreground)
		main_log_file(&daemon->paths);
	mullion_log(LOG_INFO, NULL, "ready at %s", daemon->paths.socket);
	sd_notify(0, "READY=1");
	if (ready_fd >= 0) {
		/* Whoever started us may have gone; that is no reason to end. */
		if (write(ready_fd, "", 1) < 0)
			mullion_log(LOG_DEBUG, NULL, "nobody waits for us");
		close(ready_fd);
	}
	mullion_daemon_idle_check(daemon);
	r = sd_event_loop(daemon->event);
	mullion_log(LOG_INFO, NULL, "ended");
	return r;
}

static void main_end(struct mullion_daemon *daemon)
{
	daemon->stopping = true;
	mullion_http_free(daemon->http);
	daemon->http = NULL;
	mullion_cp_guests_free(daemon);
	mullion_core_free(daemon->core);
	main_idle = sd_event_source_disable_unref(main_idle);
	main_force = sd_event_source_disable_unref(main_force);
	sd_event_unref(daemon->event);
}

/*
 * Return: in the daemon, the descriptor to write to when it is ready; in the
 * process that was started, -1 with @ret_status set.
 */
static int main_background(int *ret_status)
{
	int pipe_fds[2];
	char byte;
	pid_t pid;

	*ret_status = EXIT_FAILURE;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		close(pipe_fds[0]);
		setsid();
		if (chdir("/") < 0)
			_exit(EXIT_FAILURE);
		return pipe_fds[1];
	}
	close(pipe_fds[1]);
	if (read(pipe_fds[0], &byte, 1) == 1)
		*ret_status = EXIT_SUCCESS;
	return -1;
}

int main(int argc, char **argv)
{
	struct mullion_daemon *daemon = &main_daemon;
	struct main_options options = { 0 };
	struct mullion_socket sock;
	struct mullion_error err;
	const char *failed;
	int ready_fd = -1;
	int status;
	int r;

	if (main_standard_fds() < 0)
		return EXIT_FAILURE;
	r = main_parse(argc, argv, &options);
	if (r)
		return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	daemon->group = options.group;
	umask(0077);
	main_raise_limits();
	r = main_fail(mullion_paths_init(&daemon->paths), "paths");
	if (r < 0)
		return EXIT_FAILURE;
	r = mullion_paths_make(&daemon->paths, &failed);
	if (r < 0) {
		main_fail(r, failed);
		return EXIT_FAILURE;
	}
	if (!options.foreground) {
		ready_fd = main_background(&status);
		if (ready_fd < 0)
			return status;
	}
	/* After the fork: the lock is the daemon's, not its parent's. */
	r = mullion_socket_open(&sock, &daemon->paths, daemon->group, &err);
	if (r) {
		mullion_log(LOG_ERR, NULL, "%s at %s: %s", err.what, err.object, err.why);
		return EXIT_FAILURE;
	}
	r = main_serve(daemon, &options, &sock, ready_fd);
	main_end(daemon);
	mullion_socket_close(&sock, &daemon->paths);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
