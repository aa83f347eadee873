/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/command.c - finding a sub-command, parsing its options, --help
 *
 * getopt_long() does the parsing; its tables are made from ours.  The options
 * are collected in the order given, and the command asks for them by id, so no
 * command has a parsing loop of its own.
 */
#include "command.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "report.h"

#define COMMAND_HELP 'h'
#define COMMAND_JSON (MULLION_OPTION_LONG - 1)

static int command_failure(const struct mullion_command *command)
{
	return command->failure ? command->failure : MULLION_EXIT_FAILURE;
}

int mullion_cli_guest_name(const struct mullion_cli *cli, const char *word,
			   char ret[static MULLION_GUEST_NAME_ROOM])
{
	const char *given = mullion_cli_option(cli, 'n');
	uint32_t random;

	if (given && (!*given || strlen(given) > 64))
		return mullion_cli_usage(cli, "a name has 1 to 64 characters");
	if (given) {
		strcpy(ret, given);
		return 0;
	}
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint32_t)getpid();
	snprintf(ret, MULLION_GUEST_NAME_ROOM, "%s-%08" PRIx32, word, random);
	return 0;
}

int mullion_cli_usage(const struct mullion_cli *cli, const char *format, ...)
{
	const struct mullion_command *command = cli->command;
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text)
		mullion_report_clean(text);
	fprintf(stderr, "mullion: %s: %s; see `mullion %s --help'\n", command->name,
		text ? text : "no memory", command->name);
	free(text);
	return command->failure ? command->failure : MULLION_EXIT_USAGE;
}

const char *mullion_cli_option(const struct mullion_cli *cli, int id)
{
	for (size_t i = cli->given_count; i-- > 0;)
		if (cli->given[i].id == id)
			return cli->given[i].value;
	return NULL;
}

static void command_help_option(const struct mullion_option *option)
{
	char letter[5] = "    ", left[64];

	if (option->id < COMMAND_JSON)
		snprintf(letter, sizeof(letter), "-%c, ", option->id);
	snprintf(left, sizeof(left), "%s--%s%s%s", letter, option->name, option->arg ? " " : "",
		 option->arg ? option->arg : "");
	printf("  %-28s %s%s\n", left, option->help, option->repeat ? " (repeatable)" : "");
}

static void command_help(const struct mullion_command *command)
{
	printf("Usage: mullion %s%s%s%s\n\n%s.\n\nOptions:\n", command->name,
	       command->options || command->json ? " [OPTION]..." : "",
	       *command->operands ? " " : "", command->operands, command->summary);
	for (const struct mullion_option *o = command->options; o && o->name; o++)
		command_help_option(o);
	if (command->json)
		command_help_option(&(struct mullion_option){
			.id = COMMAND_JSON, .name = "json", .help = "print JSON" });
	command_help_option(&(struct mullion_option){
		.id = COMMAND_HELP, .name = "help", .help = "print this" });
}

static void command_help_all(FILE *out)
{
	fputs("Usage: mullion COMMAND [OPTION]... [ARGUMENT]...\n\n"
	      "Shares this machine's devices among isolated guests.\n\nCommands:\n", out);
	for (const struct mullion_command *c = mullion_commands; c->name; c++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", c->name, c->operands);
		fprintf(out, "  %-28s %s\n", left, c->summary);
	}
	fputs("\n`mullion COMMAND --help' tells more; so does mullion(1).\n", out);
}

/* The longest name wins; *ret_words is how many arguments the name took. */
static const struct mullion_command *command_find(int argc, char **argv, int *ret_words)
{
	for (const struct mullion_command *c = mullion_commands; c->name; c++) {
		const char *blank = strchr(c->name, ' ');

		if (!blank && !strcmp(argv[0], c->name)) {
			*ret_words = 1;
			return c;
		}
		if (blank && argc > 1 && strlen(argv[0]) == (size_t)(blank - c->name) &&
		    !strncmp(argv[0], c->name, blank - c->name) && !strcmp(argv[1], blank + 1)) {
			*ret_words = 2;
			return c;
		}
	}
	return NULL;
}

/* "device" alone, or "device frob": say which verbs there are. */
static int command_unknown(int argc, char **argv)
{
	size_t len = strlen(argv[0]);
	bool noun = false;

	for (const struct mullion_command *c = mullion_commands; c->name; c++) {
		if (strncmp(c->name, argv[0], len) || c->name[len] != ' ')
			continue;
		if (!noun)
			fprintf(stderr, "mullion: %s: %s%s%s; there is:", argv[0],
				argc > 1 && *argv[1] != '-' ? "no verb `" : "what about it",
				argc > 1 && *argv[1] != '-' ? argv[1] : "",
				argc > 1 && *argv[1] != '-' ? "'" : "");
		noun = true;
		fprintf(stderr, " `mullion %s'", c->name);
	}
	if (noun)
		fputc('\n', stderr);
	else
		fprintf(stderr, "mullion: no command `%s'; see `mullion --help'\n", argv[0]);
	return MULLION_EXIT_USAGE;
}

#define COMMAND_OPTIONS_MAX 32

struct command_getopt {
	struct option options[COMMAND_OPTIONS_MAX];
	char letters[2 * COMMAND_OPTIONS_MAX + 3];
	size_t count;
};

static void command_getopt_add(struct command_getopt *table, const char *name, bool arg, int id)
{
	size_t len = strlen(table->letters);

	if (table->count >= COMMAND_OPTIONS_MAX - 1)
		abort();	/* a table of ours, not anybody's input */
	table->options[table->count++] = (struct option){
		.name = name,
		.has_arg = arg ? required_argument : no_argument,
		.val = id,
	};
	if (id < COMMAND_JSON) {
		table->letters[len++] = id;
		if (arg)
			table->letters[len++] = ':';
		table->letters[len] = '\0';
	}
}

static const struct mullion_option *command_option(const struct mullion_command *command, int id)
{
	for (const struct mullion_option *o = command->options; o && o->name; o++)
		if (o->id == id)
			return o;
	return NULL;
}

static bool command_is_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *w = words; *w; w += strspn(w, " ")) {
		if (len && strcspn(w, " ") == len && !strncmp(w, word, len))
			return true;
		w += strcspn(w, " ");
	}
	return false;
}

/* Return: -1 to go on, otherwise the exit status. */
static int command_parse(struct mullion_cli *cli, int argc, char **argv)
{
	const struct mullion_command *command = cli->command;
	struct command_getopt table = { .letters = "" };
	int id;

	strcpy(table.letters, command->stop_early ? "+:" : ":");
	for (const struct mullion_option *o = command->options; o && o->name; o++)
		command_getopt_add(&table, o->name, o->arg, o->id);
	command_getopt_add(&table, "help", false, COMMAND_HELP);
	if (command->json)
		command_getopt_add(&table, "json", false, COMMAND_JSON);

	opterr = 0;
	optind = 0;
	while ((id = getopt_long(argc, argv, table.letters, table.options, NULL)) != -1) {
		const struct mullion_option *option;

		if (id == '?' && optopt && optopt < COMMAND_JSON)
			return mullion_cli_usage(cli, "unknown option `-%c'", optopt);
		if (id == '?')
			return mullion_cli_usage(cli, "unknown option `%s'", argv[optind - 1]);
		if (id == ':')
			return mullion_cli_usage(cli, "option `%s' needs an argument",
						 argv[optind - 1]);
		if (id == COMMAND_HELP) {
			command_help(command);
			return 0;
		}
		if (id == COMMAND_JSON) {
			cli->json = true;
			continue;
		}
		option = command_option(command, id);
		if (!option->repeat && mullion_cli_option(cli, id))
			return mullion_cli_usage(cli, "option `--%s' given twice", option->name);
		if (optarg && option->complete == MULLION_COMPLETE_WORDS &&
		    !command_is_word(option->words, optarg))
			return mullion_cli_usage(cli, "option `--%s' is one of: %s", option->name,
						 option->words);
		if (cli->given_count == MULLION_CLI_OPTIONS_MAX)
			return mullion_cli_usage(cli, "more than %d options",
						 MULLION_CLI_OPTIONS_MAX);
		cli->given[cli->given_count].id = id;
		cli->given[cli->given_count++].value = optarg ? optarg : "";
	}
	cli->argc = argc - optind;
	cli->argv = argv + optind;
	if (cli->argc < command->min)
		return mullion_cli_usage(cli, "%s missing", command->operands);
	if (command->max >= 0 && cli->argc > command->max)
		return mullion_cli_usage(cli, "`%s' is too much", cli->argv[command->max]);
	for (int i = 0; i < cli->argc && command->complete == MULLION_COMPLETE_WORDS; i++)
		if (!command_is_word(command->words, cli->argv[i]))
			return mullion_cli_usage(cli, "`%s' is none of: %s", cli->argv[i],
						 command->words);
	return -1;
}

/* Hidden: what completion scripts and the build of the man page call. */
static int command_service_option(int argc, char **argv)
{
	if (!strcmp(argv[0], "--synopsis"))
		return mullion_complete_synopsis();
	if (argc == 2 && !strcmp(argv[0], "--completion"))
		return mullion_complete_script(argv[1]);
	if (argc == 2 && !strcmp(argv[0], "--complete"))
		return mullion_complete_names(argv[1]);
	fprintf(stderr, "mullion: unknown option `%s'; see `mullion --help'\n", argv[0]);
	return MULLION_EXIT_USAGE;
}

int mullion_command_main(int argc, char **argv)
{
	struct mullion_cli cli = { 0 };
	int words = 0, status;

	if (argc < 2) {
		command_help_all(stderr);
		return MULLION_EXIT_USAGE;
	}
	argc--;
	argv++;
	if (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h") || !strcmp(argv[0], "help")) {
		/* `mullion help run` is `mullion run --help` */
		cli.command = argc > 1 ? command_find(argc - 1, argv + 1, &words) : NULL;
		if (cli.command)
			command_help(cli.command);
		else
			command_help_all(stdout);
		return 0;
	}
	if (!strcmp(argv[0], "--version"))
		argv[0] += 2;
	if (argv[0][0] == '-')
		return command_service_option(argc, argv);

	cli.command = command_find(argc, argv, &words);
	if (!cli.command)
		return command_unknown(argc, argv);
	cli.failure = command_failure(cli.command);
	/* getopt wants argv[0] to be a program name. */
	status = command_parse(&cli, argc - words + 1, argv + words - 1);
	if (status < 0)
		status = cli.command->run(&cli);
	if (fflush(stdout) || ferror(stdout)) {
		if (!status)
			status = cli.failure;
	}
	return status;
}
