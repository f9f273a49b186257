/** What must stay true of the image, by its Dockerfile alone. buildah.slow.test.ts builds it, where that is asked for. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { answering, exitOf, type Instruction, parseDockerfile, readText } from "./files.ts";

interface LockedPackage {
  readonly optional?: boolean;
  readonly dev?: boolean;
}

const instructions = parseDockerfile(readText("Dockerfile"));
const manifest = JSON.parse(readText("package.json")) as {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
};
const stages: Instruction[][] = [];
for (const one of instructions) {
  if (one.name === "FROM") stages.push([]);
  stages.at(-1)?.push(one);
}
const last = stages.at(-1) ?? [];
const of = (name: string, from = last): string[] => from.filter((one) => one.name === name).map(({ text }) => text);
const only = (name: string): string => {
  const [found, ...more] = of(name);
  assert.ok(found !== undefined && more.length === 0, `one ${name} in the last stage`);
  return found;
};
const execForm = (text: string): string[] => {
  const parsed: unknown = JSON.parse(text);
  assert.ok(Array.isArray(parsed) && parsed.every((part) => typeof part === "string"), `exec form: ${text}`);
  return parsed;
};

suite("the image", () => {
  test("is made in stages from the slim image of the Node.js that runs the tests", () => {
    assert.equal(stages.length, 3);
    const from = instructions.filter(({ name }) => name === "FROM").map(({ text }) => text.split(" ")[0]);
    assert.deepEqual(from, ["node:${NODE}", "node:${NODE}", "node:${NODE}"]);
    const [node] = of("ARG", instructions);
    assert.equal(node, "NODE=24-slim");
    assert.match(readText("package.json"), /"node": "24\./);
  });

  test("holds what runs alone: no engine, nothing that builds or tests", () => {
    const copies = of("COPY");
    assert.deepEqual(
      copies.filter((text) => text.startsWith("--from=")),
      ["--from=packages /app/node_modules node_modules", "--from=build /app/dist dist"],
    );
    const packages = stages.find(([from]) => from?.text.endsWith(" AS packages") === true) ?? [];
    const install = of("RUN", packages).join();
    assert.match(install, /^npm ci .*--omit=dev.*--omit=optional/);
    const { packages: locked } = JSON.parse(readText("package-lock.json")) as {
      readonly packages: Readonly<Record<string, LockedPackage>>;
    };
    const engine = Object.entries(locked).filter(([path]) => /\/@?chdb(?:\/|$)/.test(path));
    assert.ok(engine.length > 1);
    for (const [path, one] of engine) assert.ok(one.optional, `${path} is not optional, so npm ci would install it`);
  });

  test("takes no install scripts, and runs npm scripts that there are", () => {
    const runs = of("RUN", instructions);
    for (const text of runs.filter((one) => one.includes("npm ci"))) assert.match(text, /--ignore-scripts/);
    const scripts = runs.flatMap((text) => [...text.matchAll(/npm run (\S+)/g)].map(([, name]) => name ?? ""));
    assert.deepEqual(scripts, ["build"]);
    for (const name of scripts) assert.ok(manifest.scripts[name], `npm run ${name}`);
  });

  test("runs as nobody who may do anything, told by number", () => {
    assert.match(only("USER"), /^[1-9]\d*:[1-9]\d*$/);
    assert.ok(
      last.findIndex(({ name }) => name === "USER") > last.findLastIndex(({ name }) => name === "RUN"),
      "what needs root comes before",
    );
  });

  test("lets its user write to nothing but the data folder, which is the user's alone", () => {
    const folders = of("RUN").flatMap((text) =>
      [...text.matchAll(/install -d ([^&]*)/g)].map(([, args = ""]) => args.trim()),
    );
    assert.deepEqual(folders, [
      "/etc/replayport",
      "-o 1000 -g 1000 -m 700 /var/lib/replayport /var/lib/replayport/stage",
    ]);
  });

  test("starts Node.js itself, so that signals reach it", () => {
    assert.deepEqual(execForm(only("ENTRYPOINT")), ["node", `/app/${manifest.bin["replayport"]}`]);
    assert.deepEqual(execForm(only("CMD")), ["serve", "--http", "0.0.0.0:8080"]);
    assert.equal(only("EXPOSE"), "8080");
  });

  test("says what it is", () => {
    const labels = of("LABEL").join(" ");
    for (const name of ["title", "description", "licenses", "version", "revision"]) {
      assert.match(labels, new RegExp(`org\\.opencontainers\\.image\\.${name}="[^"]+"`));
    }
  });

  test("is built from what .dockerignore lets through, and nothing else gets in", () => {
    const lines = readText(".dockerignore")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    assert.equal(lines[0], "*");
    const allowed = lines.slice(1).map((line) => line.replace(/^!/, ""));
    assert.ok(lines.slice(1).every((line) => line.startsWith("!")));
    const copied = of("COPY", instructions)
      .filter((text) => !text.startsWith("--from="))
      .flatMap((text) => text.split(" ").slice(0, -1));
    assert.deepEqual([...new Set(copied)].sort(), [...allowed].sort());
    for (const path of copied) assert.ok(existsSync(path), path);
    const build = JSON.parse(readText("tsconfig.build.json")) as { readonly include: string[] };
    for (const folder of build.include) assert.ok(copied.includes(folder), `${folder} is compiled`);
  });

  test("tells by its health check whether the process answers", async () => {
    const [, command = ""] = /CMD (\[.*\])$/.exec(only("HEALTHCHECK")) ?? [];
    const [program, ...args] = execForm(command);
    assert.equal(program, "node");
    assert.doesNotMatch(readText("Dockerfile"), /curl|wget|apt-get/);
    let status = 200;
    await using server = await answering((_request, response) => {
      response.writeHead(status).end();
    });
    const env = { REPLAYPORT_HEALTH_URL: `${server.url}/healthz` };
    assert.equal(await exitOf(args, env), 0);
    status = 503;
    assert.equal(await exitOf(args, env), 1);
    await server.close();
    assert.equal(await exitOf(args, env), 1, "nobody listens");
  });
});

test("the README's and the documents' commands name what there is", () => {
  assert.ok(existsSync("docs/docker.md"));
  const words = readFileSync("docs/docker.md", "utf8");
  for (const [, file] of words.matchAll(/\]\((?:\.\.\/)((?:docker\/)?[\w.]+)\)/g))
    assert.ok(existsSync(file ?? ""), file);
});
