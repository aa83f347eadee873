/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/complete.c - shell completion and the man page's synopsis, made from the table of commands
 *
 * The scripts hold the words that never change; for names of guests and
 * services they call `mullion --complete KIND`, which does not start a daemon.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "command.h"

static const struct {
	enum mullion_complete complete;
	const char *kind;
} complete_kinds[] = {
	{ MULLION_COMPLETE_GUEST, "guests" },
	{ MULLION_COMPLETE_SERVICE, "services" },
	{ MULLION_COMPLETE_DEFINITION, "definitions" },
	{ MULLION_COMPLETE_NETWORK, "networks" },
	{ MULLION_COMPLETE_OBJECT, "objects" },
};

static const char *complete_kind(enum mullion_complete complete)
{
	for (size_t i = 0; i < sizeof(complete_kinds) / sizeof(*complete_kinds); i++)
		if (complete_kinds[i].complete == complete)
			return complete_kinds[i].kind;
	return NULL;
}

/* The shell will split and expand it: letters, digits and a few more, or it is no name. */
static bool complete_is_name(const char *name)
{
	for (; *name; name++)
		if (!isascii(*name) || (!isalnum(*name) && !strchr("_.-:/", *name)))
			return false;
	return true;
}

static void complete_names(const char *member)
{
	char path[64];
	json_t *answer = NULL, *object;
	size_t i;

	snprintf(path, sizeof(path), "/v1/%s", member);
	if (mullion_client_call("GET", mullion_client_path(path, ""), NULL,
				MULLION_CLIENT_NO_START, -1, &answer))
		return;
	json_array_foreach(json_object_get(answer, member), i, object) {
		const char *name = json_string_value(json_object_get(object, "name"));

		if (name && complete_is_name(name))
			puts(name);
	}
	json_decref(answer);
}

int mullion_complete_names(const char *kind)
{
	bool objects = !strcmp(kind, "objects");

	if (objects || !strcmp(kind, "guests"))
		complete_names("guests");
	if (objects || !strcmp(kind, "services"))
		complete_names("services");
	if (!strcmp(kind, "definitions"))
		complete_names("definitions");
	if (!strcmp(kind, "networks"))
		complete_names("networks");
	return 0;
}

/* The first words of all commands, each once. */
static void complete_first_words(const char *between)
{
	const char *last = "";

	for (const struct mullion_command *c = mullion_commands; c->name; c++) {
		size_t len = strcspn(c->name, " ");

		/* The table keeps the verbs of a noun together. */
		if (strcspn(last, " ") == len && !strncmp(last, c->name, len))
			continue;
		printf("%s%.*s", *last ? between : "", (int)len, c->name);
		last = c->name;
	}
}

static void complete_verbs(const char *noun, size_t len)
{
	const char *between = "";

	for (const struct mullion_command *c = mullion_commands; c->name; c++) {
		if (strncmp(c->name, noun, len) || c->name[len] != ' ')
			continue;
		printf("%s%s", between, c->name + len + 1);
		between = " ";
	}
}

static void complete_bash_what(enum mullion_complete complete, const char *words)
{
	const char *kind = complete_kind(complete);

	if (complete == MULLION_COMPLETE_FILE)
		fputs("compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))", stdout);
	else if (complete == MULLION_COMPLETE_WORDS)
		printf("COMPREPLY=($(compgen -W '%s' -- \"$cur\"))", words);
	else if (kind)
		printf("COMPREPLY=($(compgen -W \"$(mullion --complete %s 2>/dev/null)\" -- \"$cur\"))",
		       kind);
	else
		fputs(":", stdout);
}

static void complete_bash_command(const struct mullion_command *command)
{
	printf("\t'%s')\n\t\tcase $prev in\n", command->name);
	for (const struct mullion_option *o = command->options; o && o->name; o++) {
		if (!o->arg)
			continue;
		printf("\t\t--%s", o->name);
		if (o->id < MULLION_OPTION_LONG)
			printf("|-%c", o->id);
		fputs(") ", stdout);
		complete_bash_what(o->complete, o->words);
		fputs("; return ;;\n", stdout);
	}
	fputs("\t\tesac\n\t\tif [[ $cur == -* ]]; then\n\t\t\tCOMPREPLY=($(compgen -W '", stdout);
	for (const struct mullion_option *o = command->options; o && o->name; o++)
		printf("--%s ", o->name);
	printf("%s--help' -- \"$cur\"))\n\t\telse\n\t\t\t", command->json ? "--json " : "");
	complete_bash_what(command->complete, command->words);
	fputs("\n\t\tfi ;;\n", stdout);
}

static void complete_bash(void)
{
	const char *last = "";

	fputs("# bash completion for mullion(1); made by `mullion --completion bash'\n"
	      "_mullion()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command\n"
	      "\tCOMPREPLY=()\n"
	      "\tif ((COMP_CWORD == 1)); then\n"
	      "\t\tCOMPREPLY=($(compgen -W '", stdout);
	complete_first_words(" ");
	fputs(" --help --version' -- \"$cur\"))\n\t\treturn\n\tfi\n"
	      "\tcommand=${COMP_WORDS[1]}\n\tcase $command in\n", stdout);
	for (const struct mullion_command *c = mullion_commands; c->name; c++) {
		size_t len = strcspn(c->name, " ");

		if (!c->name[len] || (strcspn(last, " ") == len && !strncmp(last, c->name, len)))
			continue;
		last = c->name;
		printf("\t%.*s)\n\t\tif ((COMP_CWORD == 2)); then\n"
		       "\t\t\tCOMPREPLY=($(compgen -W '", (int)len, c->name);
		complete_verbs(c->name, len);
		fputs("' -- \"$cur\"))\n\t\t\treturn\n\t\tfi\n"
		      "\t\tcommand+=\" ${COMP_WORDS[2]}\" ;;\n", stdout);
	}
	fputs("\tesac\n\tcase $command in\n", stdout);
	for (const struct mullion_command *c = mullion_commands; c->name; c++)
		complete_bash_command(c);
	fputs("\tesac\n}\ncomplete -F _mullion mullion\n", stdout);
}

/* Text in single quotes within _arguments: no quotes, brackets or colons. */
static void complete_zsh_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '\'' || *text == '`')
			continue;
		if (strchr("[]:\\", *text))
			putchar('\\');
		putchar(*text);
	}
}

static void complete_zsh_what(const char *label, enum mullion_complete complete, const char *words)
{
	const char *kind = complete_kind(complete);

	putchar(':');
	complete_zsh_text(label);
	if (complete == MULLION_COMPLETE_FILE)
		fputs(":_files", stdout);
	else if (complete == MULLION_COMPLETE_WORDS)
		printf(":(%s)", words);
	else if (kind)
		printf(":($(mullion --complete %s 2>/dev/null))", kind);
	else
		fputs(": ", stdout);
}

static void complete_zsh_command(const struct mullion_command *command)
{
	printf("\t'%s')\n\t\t_arguments -s", command->name);
	for (const struct mullion_option *o = command->options; o && o->name; o++) {
		printf(" \\\n\t\t\t'%s--%s[", o->repeat ? "*" : "", o->name);
		complete_zsh_text(o->help);
		putchar(']');
		if (o->arg)
			complete_zsh_what(o->arg, o->complete, o->words);
		putchar('\'');
	}
	if (command->json)
		fputs(" \\\n\t\t\t'--json[print JSON]'", stdout);
	fputs(" \\\n\t\t\t'--help[print help]'", stdout);
	if (command->complete != MULLION_COMPLETE_NONE) {
		/* Names are looked up when they are asked for, so not in single quotes. */
		fputs(" \\\n\t\t\t\"*", stdout);
		complete_zsh_what("argument", command->complete, command->words);
		putchar('"');
	}
	fputs(" ;;\n", stdout);
}

static void complete_zsh(void)
{
	const char *last = "";

	fputs("#compdef mullion\n# made by `mullion --completion zsh'\n"
	      "local command=$words[2]\n"
	      "if ((CURRENT == 2)); then\n\tcompadd -- ", stdout);
	complete_first_words(" ");
	fputs(" --help --version\n\treturn\nfi\ncase $command in\n", stdout);
	for (const struct mullion_command *c = mullion_commands; c->name; c++) {
		size_t len = strcspn(c->name, " ");

		if (!c->name[len] || (strcspn(last, " ") == len && !strncmp(last, c->name, len)))
			continue;
		last = c->name;
		printf("%.*s)\n\tif ((CURRENT == 3)); then\n\t\tcompadd -- ", (int)len, c->name);
		complete_verbs(c->name, len);
		fputs("\n\t\treturn\n\tfi\n\tcommand+=\" $words[3]\"\n\tshift words\n"
		      "\t((CURRENT--)) ;;\n", stdout);
	}
	fputs("esac\nshift words\n((CURRENT--))\ncase $command in\n", stdout);
	for (const struct mullion_command *c = mullion_commands; c->name; c++)
		complete_zsh_command(c);
	fputs("esac\n", stdout);
}

int mullion_complete_script(const char *shell)
{
	if (!strcmp(shell, "bash")) {
		complete_bash();
	} else if (!strcmp(shell, "zsh")) {
		complete_zsh();
	} else {
		fprintf(stderr, "mullion: no completion for `%s'; there is: bash zsh\n", shell);
		return MULLION_EXIT_USAGE;
	}
	return 0;
}

/* scdoc takes these for markup. */
static void complete_scdoc_text(const char *text)
{
	for (; *text; text++) {
		if (strchr("_*\\#~", *text))
			putchar('\\');
		putchar(*text);
	}
}

int mullion_complete_synopsis(void)
{
	for (const struct mullion_command *c = mullion_commands; c->name; c++) {
		printf("*%s* ", c->name);
		complete_scdoc_text(c->options || c->json ? "[OPTION]... " : "");
		complete_scdoc_text(c->operands);
		fputs("\n\t", stdout);
		complete_scdoc_text(c->summary);
		fputs(".\n\n", stdout);
		for (const struct mullion_option *o = c->options; o && o->name; o++) {
			fputs("\t", stdout);
			if (o->id < MULLION_OPTION_LONG)
				printf("*-%c*, ", o->id);
			printf("*--%s*", o->name);
			if (o->arg)
				printf(" _%s_", o->arg);
			fputs("\n\t\t", stdout);
			complete_scdoc_text(o->help);
			printf("%s.\n\n", o->repeat ? "; repeatable" : "");
		}
	}
	return 0;
}
