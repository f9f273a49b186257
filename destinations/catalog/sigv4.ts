/** AWS's signature, for Glue and S3 Tables. */
import { createHash, createHmac, type Hash as NodeHash, type Hmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import { giveUp, messageOf, ReplayportError } from "../../src/errors.ts";
import { awsCredentials } from "../store/s3_client.ts";
import type { CatalogAuth } from "./options.ts";
import { type Signer, without } from "./signer.ts";

export function sigV4(auth: CatalogAuth & { readonly type: "sigv4" }): Signer {
  const provider = awsCredentials(auth);
  let secrets: readonly string[] = [];
  const credentials = async (): Promise<Awaited<ReturnType<typeof provider>>> => {
    try {
      const found = await provider();
      secrets = [found.secretAccessKey, found.sessionToken ?? ""];
      return found;
    } catch (error) {
      throw new ReplayportError(
        `No AWS credentials to sign requests to the catalog with: ${messageOf(error)}`,
        giveUp(
          "catalog.no_credentials",
          "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or run where a role gives credentials.",
        ),
      );
    }
  };
  const signature = new SignatureV4({ credentials, region: auth.region, service: auth.service, sha256: Sha256 });
  return {
    async sign({ method, url, headers, body }, signal) {
      signal.throwIfAborted();
      const { headers: signed } = await signature.sign({
        method,
        protocol: url.protocol,
        hostname: url.hostname,
        ...(url.port === "" ? {} : { port: Number(url.port) }),
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        headers: { ...headers, host: url.host },
        body,
      });
      return signed;
    },
    // The provider has renewed what has ended.
    renew: () => false,
    redact: (text) => without(text, secrets),
  };
}

/** Node's own, in the form that the library takes. */
class Sha256 {
  readonly #hash: NodeHash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", bytesOf(secret));
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === "string") return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
