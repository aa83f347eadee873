/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/command.h - the table of sub-commands and what it is used for
 *
 * One table (main.c) says everything about a sub-command: parsing, --help,
 * shell completion and the synopsis in the man page all come from it.
 */
#ifndef MULLION_CLI_COMMAND_H
#define MULLION_CLI_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Exit statuses; those of `run` are the ones of timeout(1) and `docker run`. */
#define MULLION_EXIT_FAILURE	1
#define MULLION_EXIT_USAGE	2
#define MULLION_EXIT_TIMEOUT	124
#define MULLION_EXIT_RUN	125

/* What a shell can offer for an argument. */
enum mullion_complete {
	MULLION_COMPLETE_NONE,
	MULLION_COMPLETE_FILE,
	MULLION_COMPLETE_GUEST,
	MULLION_COMPLETE_OBJECT,	/* guests and services */
	MULLION_COMPLETE_SERVICE,
	MULLION_COMPLETE_DEFINITION,
	MULLION_COMPLETE_NETWORK,
	MULLION_COMPLETE_WORDS,		/* those of `words` */
};

/* Options without a short form have an id of their own, from here on. */
#define MULLION_OPTION_LONG 256

/**
 * struct mullion_option - one option of a command
 * @id: its letter, or a number from MULLION_OPTION_LONG on
 * @name: without the dashes; NULL ends an array of options
 * @arg: name of its argument, NULL if it takes none
 * @help: one line
 * @complete: what @arg is
 * @words: for MULLION_COMPLETE_WORDS, separated by blanks
 * @repeat: may be given several times
 */
struct mullion_option {
	int id;
	const char *name;
	const char *arg;
	const char *help;
	enum mullion_complete complete;
	const char *words;
	bool repeat;
};

struct mullion_cli;

/**
 * struct mullion_command - one sub-command
 * @name: one or two words ("device list")
 * @operands: for the synopsis, "" if there are none
 * @min: fewest operands
 * @max: most operands, -1 for any number
 * @summary: one line
 * @complete: what the operands are
 * @words: for MULLION_COMPLETE_WORDS
 * @stop_early: the first operand ends the options (it is another command line)
 * @json: has --json
 * @failure: exit status when it fails, 0 for MULLION_EXIT_FAILURE; also used
 *	for wrong usage if set
 * @options: NULL if there are none but the common ones
 * @run: returns the exit status
 */
struct mullion_command {
	const char *name;
	const char *operands;
	int min;
	int max;
	const char *summary;
	enum mullion_complete complete;
	const char *words;
	bool stop_early;
	bool json;
	int failure;
	const struct mullion_option *options;
	int (*run)(struct mullion_cli *cli);
};

#define MULLION_CLI_OPTIONS_MAX 64

/**
 * struct mullion_cli - one invocation
 * @command: what was asked for
 * @json: --json was given
 * @failure: exit status to use when something fails
 * @argc, @argv: the operands
 * @given: the options, in the order given
 */
struct mullion_cli {
	const struct mullion_command *command;
	bool json;
	int failure;
	int argc;
	char **argv;
	struct {
		int id;
		const char *value;
	} given[MULLION_CLI_OPTIONS_MAX];
	size_t given_count;
};

/* The table; main.c.  Ends with an entry without a name. */
extern const struct mullion_command mullion_commands[];

/**
 * mullion_command_main() - find the sub-command, parse its options, run it
 *
 * Return: exit status.
 */
int mullion_command_main(int argc, char **argv);

/**
 * mullion_cli_option() - value of an option
 * @cli: the invocation
 * @id: the option
 *
 * Return: its last value, "" for an option without one, NULL if not given.
 */
const char *mullion_cli_option(const struct mullion_cli *cli, int id);

/* Of a guest's name: 64 characters at most, or a word, a dash and 8 digits. */
#define MULLION_GUEST_NAME_ROOM	72

/**
 * mullion_cli_guest_name() - the name of --name, or one of its own
 * @cli: the invocation, of a command with the option 'n'
 * @word: the chosen name begins with it; short
 * @ret: the name
 *
 * Return: 0, or the exit status of a name that cannot be.
 */
int mullion_cli_guest_name(const struct mullion_cli *cli, const char *word,
			   char ret[static MULLION_GUEST_NAME_ROOM]);

/**
 * mullion_cli_usage() - say what was wrong with the command line
 *
 * Return: the exit status for it.
 */
int mullion_cli_usage(const struct mullion_cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* complete.c: all of them write to standard output and return the exit status. */
int mullion_complete_script(const char *shell);
int mullion_complete_names(const char *kind);
int mullion_complete_synopsis(void);

/**
 * mullion_definition_put() - read files of definitions, send them to @path
 *
 * Return: exit status.
 */
int mullion_definition_put(struct mullion_cli *cli, const char *path);

/**
 * mullion_show_print() - an answer of the API, member by member or as JSON
 */
void mullion_show_print(json_t *answer, bool json);

/* The sub-commands; each has a file of its own or shares that of its noun. */
int mullion_cmd_run(struct mullion_cli *cli);
int mullion_cmd_attach(struct mullion_cli *cli);
int mullion_cmd_start(struct mullion_cli *cli);
int mullion_cmd_stop(struct mullion_cli *cli);
int mullion_cmd_kill(struct mullion_cli *cli);
int mullion_cmd_restart(struct mullion_cli *cli);
int mullion_cmd_ps(struct mullion_cli *cli);
int mullion_cmd_show(struct mullion_cli *cli);
int mullion_cmd_console(struct mullion_cli *cli);
int mullion_cmd_logs(struct mullion_cli *cli);
int mullion_cmd_events(struct mullion_cli *cli);
int mullion_cmd_device_list(struct mullion_cli *cli);
int mullion_cmd_device_add(struct mullion_cli *cli);
int mullion_cmd_device_set(struct mullion_cli *cli);
int mullion_cmd_device_remove(struct mullion_cli *cli);
int mullion_cmd_service_list(struct mullion_cli *cli);
int mullion_cmd_service_restart(struct mullion_cli *cli);
int mullion_cmd_network_list(struct mullion_cli *cli);
int mullion_cmd_network_show(struct mullion_cli *cli);
int mullion_cmd_network_define(struct mullion_cli *cli);
int mullion_cmd_network_undefine(struct mullion_cli *cli);
int mullion_cmd_network_start(struct mullion_cli *cli);
int mullion_cmd_network_stop(struct mullion_cli *cli);
int mullion_cmd_network_capture(struct mullion_cli *cli);
int mullion_cmd_define(struct mullion_cli *cli);
int mullion_cmd_undefine(struct mullion_cli *cli);
int mullion_cmd_definition_list(struct mullion_cli *cli);
int mullion_cmd_definition_show(struct mullion_cli *cli);
int mullion_cmd_image_build(struct mullion_cli *cli);
int mullion_cmd_doctor(struct mullion_cli *cli);
int mullion_cmd_version(struct mullion_cli *cli);

/* The options of commands that have some, each beside its command. */
extern const struct mullion_option mullion_run_options[];
extern const struct mullion_option mullion_attach_options[];
extern const struct mullion_option mullion_stop_options[];
extern const struct mullion_option mullion_ps_options[];
extern const struct mullion_option mullion_show_options[];
extern const struct mullion_option mullion_logs_options[];
extern const struct mullion_option mullion_device_remove_options[];
extern const struct mullion_option mullion_network_stop_options[];
extern const struct mullion_option mullion_network_capture_options[];
extern const struct mullion_option mullion_events_options[];

#endif
