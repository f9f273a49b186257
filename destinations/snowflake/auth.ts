/** Turns the configured credentials into what the driver logs in with. */
import { createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { giveUp, messageOf, ReplayportError } from "../../src/errors.ts";
import { unescapedPem } from "../warehouse/pem.ts";
import type { SnowflakeAuth } from "./options.ts";

export type DriverAuth =
  | { readonly authenticator: "SNOWFLAKE_JWT"; readonly privateKey: string }
  | { readonly authenticator: "SNOWFLAKE"; readonly password: string }
  | { readonly authenticator: "OAUTH"; readonly token: string };

/** @throws ReplayportError if a file can't be read or isn't a key; the message shows no part of a key or passphrase */
export async function driverAuth(auth: SnowflakeAuth): Promise<DriverAuth> {
  switch (auth.type) {
    case "key":
      return keyPair(auth.pem, auth.passphrase, "private_key");
    case "key_file":
      return keyPair(await readSecret(auth.path), auth.passphrase, auth.path);
    case "password":
      return { authenticator: "SNOWFLAKE", password: auth.password };
    case "oauth":
      return { authenticator: "OAUTH", token: auth.token };
    case "oauth_file":
      return { authenticator: "OAUTH", token: (await readSecret(auth.path)).trim() };
  }
}

/** The driver takes an unencrypted PKCS#8 key. Ours may be encrypted, PKCS#1, or have lost its line breaks. */
function keyPair(text: string, passphrase: string | undefined, where: string): DriverAuth {
  const key = unescapedPem(text).trim();
  try {
    const parsed = createPrivateKey({ key, format: "pem", ...(passphrase === undefined ? {} : { passphrase }) });
    return { authenticator: "SNOWFLAKE_JWT", privateKey: parsed.export({ type: "pkcs8", format: "pem" }).toString() };
  } catch {
    // OpenSSL's message can contain parts of the key.
    const encrypted = /^(?:-----BEGIN ENCRYPTED |Proc-Type: 4,ENCRYPTED)/m.test(key);
    throw new ReplayportError(
      `the private key of ${where} cannot be read`,
      giveUp(
        "snowflake.private_key",
        !encrypted
          ? "It must be an RSA key as PEM: openssl genrsa 2048 | openssl pkcs8 -topk8 -inform PEM -nocrypt -out key.p8"
          : passphrase === undefined
            ? "It is encrypted: set private_key_passphrase."
            : "private_key_passphrase is wrong, or the key isn't PEM.",
      ),
    );
  }
}

async function readSecret(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new ReplayportError(
      `cannot read ${path}: ${messageOf(error)}`,
      giveUp("snowflake.secret_file", "Check the path, relative to the config, and that this user may read the file."),
    );
  }
}
