/**
 * Builds the Dockerfile with Debian's buildah, as root and without a daemon. There is no registry to take its base from, so that is made
 * here, under the name that the Dockerfile has for it: Debian by debootstrap, Node.js and npm from this machine. Everything is in one
 * temporary folder, which goes when the image is disposed of.
 */
import { appendFile, cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { firstLine, programOnPath, run, type Unavailable } from "../support/tools.ts";
import { readText } from "./files.ts";

const SUITE = "bookworm";
const IMAGE = "localhost/replayport";
const IMAGE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const STEP_MS = 900_000;
const OUTPUT_BYTES = 64 * 1024 * 1024;
/** What a build says that failed for want of the network, time or space. Nothing of that is the Dockerfile's fault. */
const OF_THIS_MACHINE = /\b(?:ECONNRE\w+|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|ENOSPC|EIDLETIMEOUT|no space left)\b|network/;

export interface Image extends AsyncDisposable {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly user: string;
  readonly healthcheck: readonly string[];
  /** What a command prints, run as the image's user in its folder. @param mounts `/here:/there:ro` */
  run(command: readonly string[], mounts?: readonly string[]): Promise<string>;
}

interface Step {
  readonly what: string;
  readonly work: () => Promise<unknown>;
}

interface Inspected {
  readonly OCIv1: { readonly config: { readonly Entrypoint: string[]; readonly Cmd: string[]; readonly User: string } };
  readonly Docker: { readonly config: { readonly Healthcheck?: { readonly Test: readonly string[] } } };
}

/** Or why this machine can't build it. Rejects if it can, and the Dockerfile is at fault. */
export async function buildImage(version: string): Promise<Image | Unavailable> {
  if (process.getuid?.() !== 0) return { skip: "buildah needs root here: run the tests as root" };
  const more = ["/usr/sbin", "/sbin"];
  for (const name of ["buildah", "debootstrap"]) {
    if ((await programOnPath([name], more)) === undefined) return { skip: `no ${name}: apt-get install ${name}` };
  }
  const folder = await mkdtemp(join(tmpdir(), "replayport-image-"));
  const path = [process.env["PATH"], ...more].join(":");
  const options = { env: { ...process.env, PATH: path }, timeout: STEP_MS, maxBuffer: OUTPUT_BYTES };
  const storage = ["--root", join(folder, "store"), "--runroot", join(folder, "run"), "--storage-driver", "vfs"];
  const buildah = async (...args: string[]): Promise<string> =>
    (await run("buildah", [...storage, ...args], options)).stdout.trim();
  const remove = async (): Promise<void> => await rm(folder, { recursive: true, force: true });
  const base = `localhost/node:${/^ARG NODE=(\S+)$/m.exec(readText("Dockerfile"))?.[1]}`;
  const secrets = join(folder, "npm");
  let npmCache = "";

  const steps: Step[] = [
    {
      what: "Debian can't be had",
      work: async () => {
        const mirror = await mirrorOf(options);
        await run("debootstrap", ["--variant=minbase", SUITE, join(folder, "debian"), mirror], options);
      },
    },
    {
      what: "npm's settings can't be read",
      work: async () => {
        npmCache = await npmSettings(secrets);
      },
    },
    {
      what: "the base can't be made",
      work: async () => {
        const container = await buildah("from", "scratch");
        const root = await buildah("mount", container);
        await run("cp", ["--archive", `${join(folder, "debian")}/.`, root], options);
        await rm(join(folder, "debian"), { recursive: true });
        await addNode(root);
        await run("chroot", [root, "useradd", "--uid", "1000", "--user-group", "--create-home", "node"], options);
        await buildah("umount", container);
        await buildah("config", "--env", `PATH=${IMAGE_PATH}`, container);
        await buildah("commit", "--quiet", container, base);
        // A sandbox may refuse the mounts that a container needs.
        await buildah("run", "--isolation", "chroot", container, "--", "npm", "--version");
        await buildah("rm", container);
      },
    },
  ];
  for (const { what, work } of steps) {
    try {
      await work();
    } catch (error) {
      await remove();
      return {
        skip: `${what} (${lastLine(error)}): needs a Debian mirror in apt's sources, npm, and a right to mount`,
      };
    }
  }

  const mounts = [`${secrets}:/run/npm:ro`, `${join(secrets, "npmrc")}:/root/.npmrc:ro`, `${npmCache}:/root/.npm`];
  const building = ["build", "--isolation", "chroot", "--network", "host", "--pull=never", "--format", "docker"];
  const labels = ["--build-arg", `VERSION=${version}`, "--build-arg", "REVISION=tested"];
  try {
    await buildah(...building, ...mounts.flatMap((one) => ["--volume", one]), ...labels, "--tag", IMAGE, ".");
  } catch (error) {
    await remove();
    const { stderr = "", killed } = error as { readonly stderr?: string; readonly killed?: boolean };
    if (killed === true || OF_THIS_MACHINE.test(stderr)) return { skip: `the build broke off (${lastLine(error)})` };
    throw new Error(`the Dockerfile doesn't build:\n${stderr.slice(-4000)}`, { cause: error });
  }
  const { OCIv1, Docker } = JSON.parse(await buildah("inspect", "--type", "image", IMAGE)) as Inspected;
  const container = await buildah("from", "--pull=never", IMAGE);
  return {
    entrypoint: OCIv1.config.Entrypoint,
    command: OCIv1.config.Cmd,
    user: OCIv1.config.User,
    healthcheck: Docker.config.Healthcheck?.Test ?? [],
    run: async (command, mounted = []) => {
      const volumes = mounted.flatMap((one) => ["--volume", one]);
      return await buildah("run", "--isolation", "chroot", ...volumes, container, "--", ...command);
    },
    [Symbol.asyncDispose]: remove,
  };
}

/** From which this machine takes its packages. */
async function mirrorOf(options: { readonly env: NodeJS.ProcessEnv }): Promise<string> {
  const format = "$(REPO_URI) $(RELEASE)";
  const { stdout } = await run("apt-get", ["indextargets", "--format", format, "Created-By: Packages"], options);
  const [mirror] = stdout.split("\n").flatMap((line) => (line.endsWith(` ${SUITE}`) ? [line.split(" ")[0] ?? ""] : []));
  if (mirror === undefined || mirror === "") throw new Error(`apt's sources have no ${SUITE}`);
  return mirror;
}

/** Node.js that runs the tests, and the machine's npm. */
async function addNode(root: string): Promise<void> {
  const bin = join(root, "usr", "local", "bin");
  const modules = join(root, "usr", "local", "lib", "node_modules");
  const program = await programOnPath(["npm"]);
  if (program === undefined) throw new Error("no npm on the PATH");
  await mkdir(bin, { recursive: true });
  await mkdir(modules, { recursive: true });
  await cp(process.execPath, join(bin, "node"));
  await cp(dirname(dirname(await realpath(program))), join(modules, "npm"), { recursive: true });
  await symlink("../lib/node_modules/npm/bin/npm-cli.js", join(bin, "npm"));
}

/** The machine's settings, for the build alone: they may hold a token. @returns the folder of npm's cache */
async function npmSettings(folder: string): Promise<string> {
  const { stdout } = await run("npm", ["config", "list", "--json"]);
  const { registry, cafile, cache, userconfig, globalconfig } = JSON.parse(stdout) as Record<string, string | null>;
  const npmrc = join(folder, "npmrc");
  await mkdir(folder, { mode: 0o700 });
  await writeFile(npmrc, "", { mode: 0o600 });
  for (const file of [globalconfig, userconfig]) {
    const text = await readFile(file ?? "", "utf8").catch(() => "");
    for (const line of text.split("\n"))
      if (!/^(?:cafile|cache|prefix)\b/.test(line)) await appendFile(npmrc, `${line}\n`);
  }
  await appendFile(npmrc, `registry=${registry}\n`);
  if (typeof cafile === "string" && cafile !== "") {
    await cp(cafile, join(folder, "ca.pem"));
    await appendFile(npmrc, "cafile=/run/npm/ca.pem\n");
  }
  const path = cache ?? join(userconfig ? dirname(userconfig) : homedir(), ".npm");
  await mkdir(path, { recursive: true });
  return path;
}

function lastLine(error: unknown): string {
  const { stderr = "" } = error as { readonly stderr?: string };
  return stderr.trim().split("\n").at(-1) || firstLine(error);
}
