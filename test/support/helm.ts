import { goProgram, type Unavailable } from "./tools.ts";

/** Helm, of the machine, or built from its Go module on the first use. */
export function helm(): Promise<string | Unavailable> {
  return goProgram("helm.sh/helm/v3/cmd/helm", "v3.22.0");
}
