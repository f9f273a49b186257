import type { Command } from "commander";
import { configJsonSchema } from "../../config/problems/json_schema.ts";
import type { CliEnvironment } from "../environment.ts";
import { printLine } from "../output.ts";

export function addSchema(program: Command, cli: CliEnvironment): void {
  program
    .command("schema")
    .description("print the JSON Schema of schedules.yaml, for editors and linters")
    .addHelpText(
      "after",
      "\nExample:\n  replayport schema > schedules.schema.json" +
        "\n\nThen put this into the first line of schedules.yaml:\n  # yaml-language-server: $schema=./schedules.schema.json",
    )
    .action(() => printLine(cli.stdout, JSON.stringify(configJsonSchema(), null, 2)));
}
