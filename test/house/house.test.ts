/** Rules of the house that a reader would otherwise have to watch over. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { OPENERS } from "../../destinations/registry.ts";
import { completeLock, unverified } from "../../scripts/complete-lock.ts";
import { HARNESSES } from "../conformance/harnesses.ts";

const read = (file: string): string => readFileSync(file, "utf8");

suite("the house", () => {
  test("every destination that is registered has a harness for the conformance suite", () => {
    assert.deepEqual(Object.keys(HARNESSES).sort(), Object.keys(OPENERS).sort());
  });

  test("every destination has a file that runs the conformance suite and one that crashes its worker", () => {
    const expected = Object.keys(HARNESSES).flatMap((type) => [
      [`${type}.test.ts`, `conformance("${type}", HARNESSES.${type});`],
      [`${type}_crash{,.slow}.test.ts`, `crashes("${type}", HARNESSES.${type});`],
    ]);
    for (const [name = "", call = ""] of expected) {
      const [file = ""] = globSync(`test/conformance/${name}`);
      assert.ok(file !== "" && read(file).includes(call), name);
    }
  });

  test("no file is longer than 400 lines", () => {
    const long = globSync("{src,destinations,test,bench,scripts}/**/*.ts").filter(
      (file) => read(file).split("\n").length > 401,
    );
    assert.deepEqual(long, []);
  });

  test("versions are exact", () => {
    const manifest = JSON.parse(read("package.json")) as Record<string, Record<string, string> | undefined>;
    const groups = ["dependencies", "devDependencies", "optionalDependencies"];
    const loose = groups
      .flatMap((group) => Object.entries(manifest[group] ?? {}))
      .filter(([, version]) => !/^\d/.test(version));
    assert.deepEqual(loose, []);
  });

  test(".nvmrc names the Node.js that the project is developed with", () => {
    const { devDependencies } = JSON.parse(read("package.json")) as { devDependencies: Record<string, string> };
    assert.equal(read(".nvmrc").trim(), devDependencies["node"]?.split(".")[0]);
  });

  test("the lock file serves every platform and names no address", () => {
    assert.deepEqual(completeLock(JSON.parse(read("package-lock.json")) as Parameters<typeof completeLock>[0]), []);
  });
});

suite("the completion of the lock file", () => {
  test("every package of the lock file has a hash, but for those that the registry lacks", () => {
    const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as Parameters<typeof unverified>[0];
    assert.deepEqual(unverified(lock), []);
    lock.packages["node_modules/x"] = { version: "1.0.0" };
    assert.deepEqual(unverified(lock), ["node_modules/x: lacks integrity"]);
  });

  test("adds the packages of other platforms and takes addresses away", () => {
    const lock = {
      packages: {
        "node_modules/tool": {
          version: "1.0.0",
          resolved: "somewhere",
          dev: true,
          optionalDependencies: {
            "@tool/linux-x64-musl": "1.0.0",
            "@tool/darwin-arm64": "1.0.0",
            "@tool/strange": "1.0.0",
          },
        },
        "node_modules/@tool/darwin-arm64": { version: "1.0.0" },
      },
    };
    const findings = completeLock(lock);
    assert.equal(findings.length, 3);
    assert.match(findings.join(), /@tool\/strange@1.0.0, whose platform its name does not tell/);
    assert.deepEqual(lock.packages["node_modules/@tool/linux-x64-musl" as keyof typeof lock.packages], {
      version: "1.0.0",
      cpu: ["x64"],
      dev: true,
      libc: ["musl"],
      optional: true,
      os: ["linux"],
    });
    assert.deepEqual(completeLock(lock), [
      "node_modules/tool: lacks @tool/strange@1.0.0, whose platform its name does not tell",
    ]);
  });
});
