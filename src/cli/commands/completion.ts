/** The scripts that complete commands and options in a shell. They are written from the commands, so they know all of them. */
import { Argument, type Command, type Option } from "commander";
import type { CliEnvironment } from "../environment.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

export function addCompletion(program: Command, cli: CliEnvironment): void {
  program
    .command("completion")
    .description("print the script that completes commands and options in your shell")
    .addArgument(new Argument("<shell>", "your shell").choices(SHELLS))
    .addHelpText(
      "after",
      "\nExamples:\n  replayport completion bash > /etc/bash_completion.d/replayport" +
        '\n  replayport completion zsh > "${fpath[1]}/_replayport"' +
        "\n  replayport completion fish > ~/.config/fish/completions/replayport.fish",
    )
    .action((shell: Shell) => {
      cli.stdout.write(`${SCRIPTS[shell](program)}\n`);
    });
}

const SCRIPTS: Readonly<Record<Shell, (program: Command) => string>> = { bash, zsh, fish };

const optionsOf = (program: Command, command: Command): readonly Option[] =>
  [...command.options, ...program.options].filter(({ hidden }) => !hidden);
const flagsOf = (options: readonly Option[]): string =>
  options.flatMap(({ short, long }) => [short ?? [], long ?? []].flat()).join(" ");
/** In single quotes. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
/** `--state|--engine`: after these, a value is completed. */
const choicesOf = (options: readonly Option[]): readonly { readonly flag: string; readonly choices: string }[] =>
  options.flatMap(({ long, argChoices }) =>
    long && argChoices ? [{ flag: long, choices: argChoices.join(" ") }] : [],
  );

function bash(program: Command): string {
  const cases = program.commands.flatMap((command) => {
    const options = optionsOf(program, command);
    const values = choicesOf(options).map(
      ({ flag, choices }) => `      ${command.name()}:${flag}) words=${quoted(choices)} ;;`,
    );
    return [...values, `      ${command.name()}:*) words=${quoted(flagsOf(options))} ;;`];
  });
  return `_replayport() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= words= word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " ${program.commands.map((one) => one.name()).join(" ")} " in *" $word "*) command=$word; break ;; esac
  done
  case "$previous" in
    -c|--config|--stage-dir|--dir|--path|--password-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  if [ -z "$command" ]; then
    words=${quoted(`${program.commands.map((one) => one.name()).join(" ")} ${flagsOf(program.options)}`)}
  else
    case "$command:$previous" in
${cases.join("\n")}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _replayport replayport`;
}

/** zsh runs the script for bash. */
function zsh(program: Command): string {
  return `#compdef replayport
autoload -U +X bashcompinit && bashcompinit
${bash(program)}`;
}

function fish(program: Command): string {
  const line = (when: string, { short, long, description, required, argChoices }: Option): string => {
    const names = [...(short ? [`-s ${short.slice(1)}`] : []), ...(long ? [`-l ${long.slice(2)}`] : [])].join(" ");
    const value = argChoices ? ` -x -a ${quoted(argChoices.join(" "))}` : required ? " -r" : "";
    return `complete -c replayport${when} ${names}${value} -d ${quoted(description)}`;
  };
  return [
    "complete -c replayport -f",
    ...program.options.map((option) => line("", option)),
    ...program.commands.flatMap((command) => [
      `complete -c replayport -n __fish_use_subcommand -a ${command.name()} -d ${quoted(command.description())}`,
      ...command.options.map((option) =>
        line(` -n ${quoted(`__fish_seen_subcommand_from ${command.name()}`)}`, option),
      ),
    ]),
  ].join("\n");
}
