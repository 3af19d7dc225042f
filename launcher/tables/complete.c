#include <string.h>

#include "launcher/tables/tables.h"

enum value_kind value_kind(const char *argument)
{
    if (argument == NULL)
        return VALUE_NONE;
    if (strcmp(argument, "FILE") == 0 || strcmp(argument, "PATH") == 0)
        return VALUE_FILE;
    return strcmp(argument, "DIR") == 0 ? VALUE_DIRECTORY : VALUE_OTHER;
}

enum value_kind operand_kind(const struct command *command)
{
    if (strstr(command->operands, "DIR") != NULL)
        return VALUE_DIRECTORY;
    if (strstr(command->operands, "FILE") != NULL)
        return VALUE_FILE;
    return command->operands[0] != '\0' ? VALUE_OTHER : VALUE_NONE;
}

/* `text` between single quotes of a shell. fish alone wants a backslash for a quote inside. */
static void put_quoted(FILE *out, const char *text, const char *quote)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs(quote, out);
        else
            fputc(*text, out);
    }
}

/* --- bash ------------------------------------------------------------------------------------ */

/* "--a --b", those whose value is of this kind; `all` is all of them. */
static void put_names(FILE *out, const struct command *command, enum value_kind kind, bool all)
{
    const char *between = "";

    for (size_t i = 0; i < command->n_options; i++) {
        if (!all && value_kind(command->options[i].argument) != kind)
            continue;
        fprintf(out, "%s--%s", between, command->options[i].name);
        between = " ";
    }
}

static void put_bash_command(FILE *out, const struct command *command)
{
    static const char *const operands[] = {
        [VALUE_NONE] = "",
        [VALUE_OTHER] = "",
        [VALUE_FILE] = "-f",
        [VALUE_DIRECTORY] = "-d",
    };

    fprintf(out, "        %s)\n            all='", command->name);
    put_names(out, command, VALUE_NONE, true);
    fputs("'\n            files='", out);
    put_names(out, command, VALUE_FILE, false);
    fputs("'\n            directories='", out);
    put_names(out, command, VALUE_DIRECTORY, false);
    fputs("'\n            others='", out);
    put_names(out, command, VALUE_OTHER, false);
    fprintf(out, "'\n            operands='%s'\n            ;;\n", operands[operand_kind(command)]);
}

void complete_bash(FILE *out)
{
    fputs(
        "# Completes mkv's command lines in bash. The build wrote this from mkv's option tables.\n"
        "_mkv()\n{\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
        "    local all='' files='' directories='' others='' operands=''\n\n"
        "    # bash takes --name=VALUE apart.\n"
        "    if [[ $word == '=' ]]; then\n"
        "        word=''\n"
        "    elif [[ $before == '=' ]]; then\n"
        "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
        "    fi\n"
        "    COMPREPLY=()\n"
        "    case ${COMP_WORDS[1]} in\n",
        out);
    for (size_t i = 0; i < n_subcommands; i++)
        put_bash_command(out, subcommands[i].command);
    fputs("    esac\n"
          "    if ((COMP_CWORD == 1)); then\n"
          "        mapfile -t COMPREPLY < <(compgen -W '--help --version",
          out);
    for (size_t i = 0; i < n_subcommands; i++)
        fprintf(out, " %s", subcommands[i].command->name);
    fputs("' -- \"$word\")\n"
          "    elif [[ $before == --* && \" $files \" == *\" $before \"* ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
          "    elif [[ $before == --* && \" $directories \" == *\" $before \"* ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -d -- \"$word\")\n"
          "    elif [[ $before == --* && \" $others \" == *\" $before \"* ]]; then\n"
          "        return\n"
          "    elif [[ $word == -* ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$all\" -- \"$word\")\n"
          "    elif [[ -n $operands ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen \"$operands\" -- \"$word\")\n"
          "    fi\n"
          "}\n"
          "complete -o filenames -F _mkv mkv\n",
          out);
}

/* --- zsh ------------------------------------------------------------------------------------- */

/* Text within a specification of _arguments or _describe. */
static void put_zsh_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("[]:\\", *text) != NULL)
            fputc('\\', out);
        put_quoted(out, (char[]){*text, '\0'}, "'\\''");
    }
}

static void put_zsh_value(FILE *out, const char *name, enum value_kind kind)
{
    static const char *const actions[] = {
        [VALUE_NONE] = "",
        [VALUE_OTHER] = " ",
        [VALUE_FILE] = "_files",
        [VALUE_DIRECTORY] = "_files -/",
    };

    fputc(':', out);
    put_zsh_text(out, name);
    fprintf(out, ":%s", actions[kind]);
}

static void put_zsh_command(FILE *out, const struct command *command)
{
    fprintf(out, "    %s)\n        _arguments", command->name);
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *o = &command->options[i];

        fprintf(out, " \\\n            '--%s%s[", o->name, o->argument != NULL ? "=" : "");
        put_zsh_text(out, o->help);
        fputc(']', out);
        if (o->argument != NULL)
            put_zsh_value(out, o->argument, value_kind(o->argument));
        fputc('\'', out);
    }
    if (operand_kind(command) != VALUE_NONE) {
        fputs(" \\\n            '*", out);
        put_zsh_value(out, command->operands, operand_kind(command));
        fputc('\'', out);
    }
    fputs("\n        ;;\n", out);
}

void complete_zsh(FILE *out)
{
    fputs(
        "#compdef mkv\n"
        "# Completes mkv's command lines in zsh. The build wrote this from mkv's option tables.\n\n"
        "local -a commands\n"
        "commands=(\n",
        out);
    for (size_t i = 0; i < n_subcommands; i++) {
        fprintf(out, "    '%s:", subcommands[i].command->name);
        put_zsh_text(out, subcommands[i].command->summary);
        fputs("'\n", out);
    }
    fputs(")\n"
          "if ((CURRENT == 2)); then\n"
          "    _describe -t commands command commands\n"
          "    _arguments '--help[print the commands]' '--version[print the version]'\n"
          "    return\n"
          "fi\n"
          "shift words\n"
          "((CURRENT--))\n"
          "case $words[1] in\n",
          out);
    for (size_t i = 0; i < n_subcommands; i++)
        put_zsh_command(out, subcommands[i].command);
    fputs("esac\n", out);
}

/* --- fish ------------------------------------------------------------------------------------ */

static void put_fish_text(FILE *out, const char *text)
{
    fputs(" -d '", out);
    put_quoted(out, text, "\\'");
    fputs("'\n", out);
}

static void put_fish_command(FILE *out, const struct command *command)
{
    static const char *const values[] = {
        [VALUE_NONE] = "",
        [VALUE_OTHER] = " -x",
        [VALUE_FILE] = " -r -F",
        [VALUE_DIRECTORY] = " -x -a '(__fish_complete_directories)'",
    };
    static const char seen[] = "complete -c mkv -n '__fish_seen_subcommand_from %s'";

    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *o = &command->options[i];

        fprintf(out, seen, command->name);
        fprintf(out, " -l %s%s", o->name, values[value_kind(o->argument)]);
        put_fish_text(out, o->help);
    }
    if (operand_kind(command) == VALUE_NONE || operand_kind(command) == VALUE_OTHER)
        return;
    fprintf(out, seen, command->name);
    fprintf(out, "%s\n",
            operand_kind(command) == VALUE_FILE ? " -F" : " -a '(__fish_complete_directories)'");
}

void complete_fish(FILE *out)
{
    fputs(
        "# Completes mkv's command lines in fish. The build wrote this from mkv's option tables.\n"
        "complete -c mkv -f\n"
        "complete -c mkv -n __fish_use_subcommand -l help -d 'print the commands'\n"
        "complete -c mkv -n __fish_use_subcommand -l version -d 'print the version'\n",
        out);
    for (size_t i = 0; i < n_subcommands; i++) {
        const struct command *command = subcommands[i].command;

        fprintf(out, "complete -c mkv -n __fish_use_subcommand -a %s", command->name);
        put_fish_text(out, command->summary);
        put_fish_command(out, command);
    }
}
