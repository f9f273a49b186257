/**
 * Loads snowflake-sdk, and types the part of it that we use. It's loaded with the first session: it is large, and probes its
 * environment on import.
 */
import type { DriverAuth } from "./auth.ts";

export interface DriverStatement {
  cancel(done: (error: unknown) => void): void;
}

export interface DriverConnection {
  connect(done: (error: unknown) => void): unknown;
  execute(options: {
    readonly sqlText: string;
    readonly complete: (
      error: unknown,
      statement: unknown,
      rows?: readonly Readonly<Record<string, unknown>>[],
    ) => void;
  }): DriverStatement;
  destroy(done: (error: unknown) => void): void;
}

export type DriverOptions = DriverAuth & {
  readonly account: string;
  readonly username: string;
  readonly accessUrl: string;
  readonly application: string;
  readonly role?: string;
  readonly warehouse?: string;
  readonly sfRetryMaxLoginRetries: number;
  readonly clientSessionKeepAlive: boolean;
};

export interface Driver {
  configure(options: object): void;
  createConnection(options: DriverOptions): DriverConnection;
}

/** Stops the driver from probing its environment (cloud metadata servers, a native library) and from reporting it. */
const QUIET = {
  SNOWFLAKE_DISABLE_PLATFORM_DETECTION: "true",
  SNOWFLAKE_DISABLE_MINICORE: "true",
  SF_TELEMETRY_DISABLE_CONNECTION_SHAPE: "true",
} as const;

const SILENT = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  trace: () => undefined,
};

let loaded: Promise<Driver> | undefined;

export function loadDriver(): Promise<Driver> {
  loaded ??= importDriver();
  return loaded;
}

async function importDriver(): Promise<Driver> {
  for (const [name, value] of Object.entries(QUIET)) process.env[name] ??= value;
  const { default: driver } = await import("snowflake-sdk");
  // By default it writes snowflake.log into the working folder, and to the console. Errors reach us as errors.
  driver.configure({ logLevel: "OFF", additionalLogToConsole: false, customLogger: SILENT });
  return driver;
}
