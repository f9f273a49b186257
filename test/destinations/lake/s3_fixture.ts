/** A lake on S3 through a proxy that counts requests and breaks them. */
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import type { Destination, DestinationDeps } from "../../../destinations/destination.ts";
import { Batches, EXPORT } from "../../conformance/batches.ts";
import { openTestLake, s3Options } from "./harness.ts";
import { type Fault, type FaultProxy, openFaultProxy, type ProxiedRequest } from "../../support/fault_proxy.ts";
import { s3Server, type S3Server } from "../../support/s3.ts";

const found = await s3Server();

/** For the option `skip` of a suite: why there is no server, or `false`. */
export const skip = "skip" in found ? found.skip : false;
/** Only to be used where `skip` is false. */
export const server = found as S3Server;
export const SIGNAL = AbortSignal.timeout(300_000);

export interface Fixture extends AsyncDisposable {
  readonly server: S3Server;
  readonly bucket: string;
  readonly proxy: FaultProxy;
  readonly batches: Batches;
  open(more?: { maxAttempts?: number } & Partial<DestinationDeps>): Destination;
  /** Keys in the bucket, without the lake's prefix. */
  keys(): Promise<string[]>;
}

export async function openFixture(): Promise<Fixture> {
  const bucket = await server.bucket();
  const proxy = await openFaultProxy(server.endpoint);
  const batches = await Batches.open();
  const options = s3Options(server, bucket);
  return {
    server,
    bucket,
    proxy,
    batches,
    open: ({ maxAttempts = 3, ...deps } = {}) => openTestLake({ ...options, endpoint: proxy.url, maxAttempts }, deps),
    async keys() {
      const { Contents = [] } = await server.client.send(new ListObjectsV2Command({ Bucket: bucket }));
      return Contents.map(({ Key = "" }) => Key.slice(options.prefix.length + 1));
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await batches[Symbol.asyncDispose]();
    },
  };
}

export const isManifest = ({ method, path }: ProxiedRequest): boolean =>
  method === "PUT" && path.includes("/_replayport/");
export const isData = ({ method, path }: ProxiedRequest): boolean => method === "PUT" && path.includes(`/${EXPORT}/dt`);
export const isList = ({ path }: ProxiedRequest): boolean => path.includes("list-type=2");

export function refusal(status: number, code: string, more = "", headers: Record<string, string> = {}): Fault {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>no</Message>${more}</Error>`;
  return { kind: "answer", status, body, headers: { "content-type": "application/xml", ...headers } };
}

/** A promise, and what resolves it. */
export function signalled(): { readonly promise: Promise<void>; readonly fire: () => void } {
  let fire = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    fire = resolve;
  });
  return { promise, fire: () => fire() };
}
