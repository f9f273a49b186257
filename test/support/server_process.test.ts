/** Servers of the tests: they start, they stop, and one that can't start says so at once. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { suite, test } from "node:test";
import { until } from "./fleet_fixture.ts";
import { freePort, startServer } from "./server_process.ts";

const LISTEN = 'require("node:http").createServer((_, answer) => answer.end()).listen(process.argv[1], "127.0.0.1")';
const no = (): Promise<boolean> => Promise.resolve(false);

suite("a server process", () => {
  for (const [what, program, args] of [
    ["exits at once", process.execPath, ["-e", "process.exit(1)"]],
    ["doesn't exist", "/nonexistent/server", []],
  ] as const) {
    test(`a server that ${what} is reported at once, not after the time to start`, async () => {
      const began = performance.now();
      assert.equal(await startServer(program, args, no), undefined);
      assert.ok(performance.now() - began < 20_000);
    });
  }

  test("a server process that is stopped no longer answers", async () => {
    const port = await freePort();
    const answers = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}`)).ok;
    const server = await startServer(process.execPath, ["-e", LISTEN, String(port)], answers);
    assert.ok(server);
    await server.stop();
    await assert.rejects(answers());
    await server.stop();
  });

  test("a server process ends with the process that started it, even if that one is killed", async () => {
    const port = await freePort();
    const answers = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}`)).ok;
    const code = `import { startServer } from ${JSON.stringify(import.meta.resolve("./server_process.ts"))};
      const answers = async () => (await fetch("http://127.0.0.1:${port}")).ok;
      await startServer(process.execPath, ["-e", ${JSON.stringify(LISTEN)}, "${port}"], answers);
      process.stdout.write("up");
      setInterval(() => undefined, 1_000);`;
    const starter = spawn(process.execPath, ["--input-type=module", "-e", code], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(starter.stdout, "data");
    assert.ok(await answers());
    starter.kill("SIGKILL");
    await until(
      "the port is free",
      () => answers().catch(() => false),
      (isUp) => !isUp,
    );
  });
});
