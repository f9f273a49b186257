/**
 * Writes schema/schedules.json, the JSON Schema of schedules.yaml for editors, from the config's own schema.
 *
 * `node scripts/write-schema.ts` writes it; with `--check` it only tells whether the file is current, and exits 1 if not.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { configJsonSchema } from "../src/config/problems/json_schema.ts";

const file = new URL("../schema/schedules.json", import.meta.url);
const wanted = `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`;

if (process.argv.includes("--check")) {
  if (readFileSync(file, "utf8") !== wanted) {
    console.error("schema/schedules.json is not what the config's schema says. Run: node scripts/write-schema.ts");
    process.exitCode = 1;
  }
} else {
  mkdirSync(new URL(".", file), { recursive: true });
  writeFileSync(file, wanted);
}
