/** Helm, of the machine, or built from its Go module on the first use. */
import { join } from "node:path";
import { exists, firstLine, programOnPath, run, TOOLS } from "./tools.ts";

const VERSION = "v3.22.0";
/** On two cores it takes three minutes. */
const BUILD_MS = 900_000;

/** Or why there is none, and what would help. */
export async function helm(): Promise<string | { readonly skip: string }> {
  const found = await programOnPath(["helm"]);
  if (found !== undefined) return found;
  const folder = join(TOOLS, `helm-${VERSION}`);
  const built = join(folder, "helm");
  if (await exists(built)) return built;
  const go = await programOnPath(["go"], ["/usr/local/go/bin"]);
  if (go === undefined) return { skip: "neither helm nor Go on this machine: install one of them" };
  try {
    const env = { ...process.env, GOBIN: folder, CGO_ENABLED: "0" };
    await run(go, ["install", `helm.sh/helm/v3/cmd/helm@${VERSION}`], { env, timeout: BUILD_MS });
    return built;
  } catch (error) {
    return { skip: `helm ${VERSION} can't be built (${firstLine(error)}): install helm` };
  }
}
