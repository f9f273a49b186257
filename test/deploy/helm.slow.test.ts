/**
 * The Helm chart: linted, rendered with the least and with all that can be switched on, and held to Kubernetes' own schemas. No
 * cluster is at hand, so nothing shows that a cluster runs it; test/docker shows that the image's commands work.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { graceMs } from "../../src/cli/fleet_process.ts";
import { loadConfig } from "../../src/config/load.ts";
import { helm } from "../support/helm.ts";
import { firstLine, pythonEnvironment, run } from "../support/tools.ts";
import { assertCommand, optionOf } from "../support/command_line.ts";

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly envFrom?: readonly { readonly secretRef: { readonly name: string } }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly startupProbe: { readonly httpGet: { readonly path: string } };
  readonly readinessProbe: { readonly httpGet: { readonly path: string } };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}
interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly replicas?: number;
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly Container[];
        readonly volumes: readonly { readonly name: string; readonly emptyDir?: object }[];
      };
    };
  };
}

const CHART = "deploy/helm";
const found = await helm();
const skip = typeof found === "string" ? false : found.skip;
const program = typeof found === "string" ? found : "";
const valuesOf = (name: string): string[] => ["--values", `${CHART}/ci/${name}-values.yaml`];

async function template(...args: string[]): Promise<{ readonly text: string; readonly manifests: Manifest[] }> {
  // A helm that Go installs takes an old Kubernetes for granted.
  const { stdout } = await run(program, ["template", "acme", CHART, "--kube-version", "1.33.0", ...args], {
    maxBuffer: 8 * 1024 * 1024,
  });
  return { text: stdout, manifests: parseAllDocuments(stdout).map((one) => one.toJS() as Manifest) };
}

async function refusal(...args: string[]): Promise<string> {
  try {
    await template(...args);
  } catch (error) {
    return (error as { readonly stderr: string }).stderr;
  }
  return assert.fail(`rendered with ${args.join(" ")}`);
}

const deployments = (manifests: readonly Manifest[]): Manifest[] =>
  manifests.filter(({ kind }) => kind === "Deployment");
const kinds = (manifests: readonly Manifest[]): string[] => manifests.map(({ kind }) => kind).sort();

suite("the Helm chart", { skip }, () => {
  test("helm finds nothing to complain about", async () => {
    for (const name of ["default", "all"]) await run(program, ["lint", "--strict", CHART, ...valuesOf(name)]);
  });

  test("what it renders is as Kubernetes has it", async (t) => {
    let validate: string;
    try {
      validate = join(
        await pythonEnvironment("kubernetes", ["kubernetes-validate==1.37.0"]),
        "bin/kubernetes-validate",
      );
    } catch (error) {
      t.skip(`kubernetes-validate can't be installed (${firstLine(error)}): needs Python 3 with pip`);
      return;
    }
    const folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    try {
      const check = async (manifests: readonly Manifest[]): Promise<void> => {
        const file = join(folder, "manifests.yaml");
        // Those of operators have schemas of their own.
        const own = manifests.filter(({ apiVersion }) => !/^(?:keda\.sh|monitoring\.coreos\.com)\//.test(apiVersion));
        await writeFile(file, own.map((one) => JSON.stringify(one)).join("\n---\n"));
        await run(validate, ["--strict", file], { maxBuffer: 8 * 1024 * 1024 });
      };
      const all = await template(...valuesOf("all"));
      await check((await template(...valuesOf("default"))).manifests);
      await check(all.manifests);
      await check((await template(...valuesOf("all"), "--set", "autoscaling.type=hpa")).manifests);
      const wrong = all.manifests.map((one) => (one.kind === "Service" ? { ...one, spec: { port: 1 } as never } : one));
      await assert.rejects(check(wrong));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test("the least: a scheduler, two workers, and nothing that wasn't asked for", async () => {
    const { manifests } = await template(...valuesOf("default"));
    assert.deepEqual(kinds(manifests), [
      "ConfigMap",
      "Deployment",
      "Deployment",
      "PodDisruptionBudget",
      "Service",
      "ServiceAccount",
    ]);
    assert.deepEqual(
      deployments(manifests).map(({ metadata, spec }) => [metadata.name, spec.replicas]),
      [
        ["acme-replayport-scheduler", 1],
        ["acme-replayport-worker", 2],
      ],
    );
  });

  test("pods run commands that there are, without rights, on a read-only disk, with time to end", async () => {
    for (const name of ["default", "all"]) {
      const { manifests } = await template(...valuesOf(name));
      for (const { spec } of deployments(manifests)) {
        const { containers, terminationGracePeriodSeconds: seconds, volumes } = spec.template.spec;
        const [container] = containers;
        assert.ok(container);
        assertCommand(container.args);
        const grace = container.args.includes("--grace") ? graceMs(optionOf(container.args, "--grace")) : 0;
        assert.ok(seconds * 1000 >= grace + 15_000);
        const { readOnlyRootFilesystem, allowPrivilegeEscalation, capabilities } = container.securityContext;
        assert.deepEqual(
          [readOnlyRootFilesystem, allowPrivilegeEscalation, capabilities],
          [true, false, { drop: ["ALL"] }],
        );
        assert.deepEqual(
          [container.startupProbe.httpGet.path, container.readinessProbe.httpGet.path],
          ["/healthz", "/readyz"],
        );
        // A folder of its own in a volume that others may enter.
        const stage = container.env.find((one) => one.name === "REPLAYPORT_STAGE_DIR")?.value ?? "";
        const mount = container.volumeMounts.find((one) => one.name === "stage")?.mountPath ?? "";
        assert.ok(stage.startsWith(`${mount}/`) && mount !== "");
        assert.ok(volumes.every((volume) => volume.emptyDir === undefined || "sizeLimit" in volume.emptyDir));
      }
    }
  });

  test("its config is the one that was given, and no secret's value is in what it renders", async () => {
    const { manifests, text } = await template(...valuesOf("all"));
    const config = manifests.find(({ kind }) => kind === "ConfigMap")?.data?.["schedules.yaml"] ?? "";
    const folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    try {
      await writeFile(join(folder, "schedules.yaml"), config.replace(/^ *ca_file: .*\n/m, ""));
      const env = {
        CLICKHOUSE_URL: "http://clickhouse:8123",
        CLICKHOUSE_PASSWORD: "x",
        REDIS_PASSWORD: "x",
        REPLAYPORT_TOKEN: "0123456789abcdef",
        REPLAYPORT_START: "2026-10-01",
      };
      const loaded = await loadConfig(join(folder, "schedules.yaml"), env);
      assert.deepEqual(
        loaded.exports.map((one) => one.name),
        ["replays"],
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    assert.ok(!/kind: Secret\b/.test(text));
    const [container] = deployments(manifests)[0]?.spec.template.spec.containers ?? [];
    assert.deepEqual(
      container?.envFrom?.map(({ secretRef }) => secretRef.name),
      ["replayport", "replayport-redis"],
    );
    assert.match(container?.image ?? "", /^registry\.acme\.internal\/replayport@sha256:/);
  });

  test("workers are scaled by the queue, by KEDA or by an HPA, and then nothing else sets their number", async () => {
    for (const [type, kind] of [
      ["keda", "ScaledObject"],
      ["hpa", "HorizontalPodAutoscaler"],
    ] as const) {
      const { manifests } = await template(...valuesOf("all"), "--set", `autoscaling.type=${type}`);
      const scalers = kinds(manifests).filter((one) => /^(?:ScaledObject|HorizontalPodAutoscaler)$/.test(one));
      assert.deepEqual(scalers, [kind]);
      const worker = deployments(manifests).find(({ metadata }) => metadata.name.endsWith("-worker"));
      assert.equal(worker?.spec.replicas, undefined);
    }
  });

  test("a config that changes starts the pods again", async () => {
    const sums = async (...args: string[]): Promise<string[]> =>
      [...(await template(...valuesOf("default"), ...args)).text.matchAll(/checksum\/config: (\w+)/g)].map(
        ([, sum = ""]) => sum,
      );
    const [before, after] = [await sums(), await sums("--set", "config.exports.replays.settle=1h")];
    assert.equal(new Set(before).size, 1);
    assert.notEqual(before[0], after[0]);
  });

  test("what is missing or unknown is said with the fix", async () => {
    assert.match(await refusal(), /Set config to your schedules\.yaml/);
    assert.match(await refusal(...valuesOf("default"), "--set", "config.redis=null"), /config\.redis is missing/);
    assert.match(await refusal(...valuesOf("default"), "--set", "config.http=null"), /config\.http\.token is missing/);
    assert.match(await refusal(...valuesOf("default"), "--set", "workers.replicas=3"), /workers/);
    assert.match(await refusal(...valuesOf("default"), "--set", "autoscaling.type=cpu"), /autoscaling/);
  });

  test("its version is the package's", async () => {
    const { version } = JSON.parse(await readFile("package.json", "utf8")) as { readonly version: string };
    const [chart] = parseAllDocuments(await readFile(`${CHART}/Chart.yaml`, "utf8")).map(
      (one) => one.toJS() as { readonly version: string; readonly appVersion: string },
    );
    assert.deepEqual([chart?.version, chart?.appVersion], [version, version]);
  });
});
