import type { Credentials } from "./credentials.ts";

/** From the parent, once. A message, because other processes can read arguments and the environment. */
export interface StartMessage {
  readonly path: string;
  readonly port: number;
  readonly host: string;
  readonly memoryLimitBytes: number | undefined;
  readonly threads: number | undefined;
  readonly tempPath: string | undefined;
  readonly credentials: Credentials;
  readonly outside: boolean;
}

/** From the engine's process, once. */
export type AnswerMessage =
  | { readonly kind: "ready"; readonly port: number; readonly tempDirectory: string }
  | { readonly kind: "failed"; readonly reason: FailureReason; readonly message: string };

export type FailureReason = "missing" | "engine" | "port";
