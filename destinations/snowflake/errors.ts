/**
 * Turns the driver's errors into ReplayportError, by Snowflake's codes. The driver's errors never become a cause: they contain
 * requests and responses with tokens.
 */
import { type Classification, giveUp, messageOf, ReplayportError, retry } from "../../src/errors.ts";
import { isTlsFault, untrusted } from "../../src/tls.ts";
import type { Statement } from "./statement.ts";

/** What an error may name, so that people can run its hint as it is. */
export interface ErrorContext {
  readonly account: string;
  readonly username: string;
  /** In SQL, quoted; undefined for the user's default. */
  readonly role: string | undefined;
  readonly warehouse: string | undefined;
  /** `https://account.snowflakecomputing.com` */
  readonly address: string;
  readonly auth: "key pair" | "password" | "OAuth token";
  /** The token comes from a file that something else renews. */
  readonly renewable: boolean;
  /** Never shown. */
  readonly secrets: readonly string[];
}

/** The part of the driver's errors that we read. Snowflake's codes are strings, the driver's are numbers. */
export interface DriverError {
  readonly code?: string | number;
  readonly sqlState?: string;
  readonly message?: string;
  readonly cause?: { readonly code?: string };
  readonly response?: { readonly statusCode?: number };
}

/** Six digits: `002003`. Empty if the error has none. */
export function codeOf(error: unknown): string {
  const { code } = error as DriverError;
  return code === undefined ? "" : String(code).padStart(6, "0");
}

/** Whether an object doesn't exist, or isn't visible to the role: Snowflake doesn't say which. */
export function isMissing(error: unknown): boolean {
  return error instanceof ReplayportError && error.code === "snowflake.missing";
}

/** Whether the session is unusable. */
export function isLost(error: unknown): boolean {
  return error instanceof ReplayportError && error.code === "snowflake.session_lost";
}

export function snowflakeError(error: unknown, statement: Statement, context: ErrorContext): ReplayportError {
  if (error instanceof ReplayportError) return error;
  const code = codeOf(error);
  const classified = classify(error as DriverError, code, statement, context);
  const detail = code === "" ? "" : ` (${code})`;
  const message = `${statement.doing} failed: ${shown(messageOf(error), context)}${detail}`;
  return new ReplayportError(message, classified);
}

/** One line, without secrets, and without the row values that COPY quotes. */
function shown(message: string, { secrets }: ErrorContext): string {
  let line = message.replaceAll(/\s+/g, " ").replaceAll(/\b(value|Value|string|String) '[^']*'/g, "$1 '…'");
  for (const secret of secrets) if (secret !== "") line = line.replaceAll(secret, "…");
  return line;
}

function classify(error: DriverError, code: string, statement: Statement, context: ErrorContext): Classification {
  const { message = "" } = error;
  const role = context.role ?? "<the user's default role>";
  const granting = statement.grants.map((grant) => `GRANT ${grant} TO ROLE ${role};`).join(" ");
  switch (code) {
    case "390100":
    case "390101":
    case "390102":
    case "390106":
      return giveUp("snowflake.login", loginHint(context));
    case "390144":
      return giveUp(
        "snowflake.login",
        `Give the user the public half of this key: ALTER USER ${context.username} SET RSA_PUBLIC_KEY='…'; ` +
          `then check account (${context.account}) and username, and that this machine's clock is right: a token is valid for a minute.`,
      );
    case "390303":
    case "390318":
      return context.renewable
        ? retry("snowflake.token_expired", "The token in the file has expired. Check what renews the file.")
        : giveUp(
            "snowflake.token_expired",
            "The OAuth token has expired: set a new one, or set oauth_token_file to a file that something renews.",
          );
    case "390104":
    case "390110":
    case "390111":
    case "390112":
    case "390114":
    case "390195":
    case "401004":
    case "405503":
    case "407002":
      return retry("snowflake.session_lost", "The session ended. The next attempt opens another one.");
    case "390186":
    case "390189":
    case "390317":
      return noRole(code, context, role);
    case "390197":
    case "394508":
      return secondFactor(context);
    case "390201":
      if (message.startsWith("The requested warehouse ")) return noWarehouse(context, role);
      return giveUp(
        "snowflake.missing",
        `An object that the login names doesn't exist, or the role may not use it. ${granting}`,
      );
    case "390420":
    case "390422":
    case "390432":
      return giveUp(
        "snowflake.network_policy",
        "A network policy blocks this machine's address: add it to the policy's ALLOWED_IP_LIST.",
      );
    case "002043":
      // The same code for objects and warehouses; only the end of the text tells, which no name can look like.
      if (!/ \(warehouse [^)]*\)\.?$/.test(message)) return missing(granting);
      return noWarehouse(context, role);
    case "000606":
    case "090109":
      return noWarehouse(context, role);
    case "000666":
      return suspended();
    case "000607":
    case "000608":
    case "000609":
    case "000610":
      return retry(
        "snowflake.warehouse_suspended",
        `The warehouse is suspended, or is being suspended or resumed. If that doesn't end: ALTER WAREHOUSE ${context.warehouse ?? "…"} SET AUTO_RESUME = TRUE;`,
      );
    case "090073":
      return retry(
        "snowflake.quota",
        "A resource monitor has stopped the warehouse: raise its quota, wait for its next period, or set another `warehouse`.",
      );
    case "003001":
      return denied(granting, role);
    case "002003":
      return missing(granting);
    case "000604":
      return retry("snowflake.cancelled", "A person or a program cancelled the statement in Snowflake.");
    case "000630":
    case "000605":
      return retry(
        "snowflake.timeout",
        "The statement took longer than its limit: raise `statement_timeout`, or use a larger warehouse.",
      );
    case "000625":
    case "000626":
    case "000627":
      return retry("snowflake.lock", "Another transaction locked the table for too long. Nothing was changed.");
    case "000002":
    case "000014":
    case "000407":
    case "000603":
      return retry("snowflake.internal", "An internal error of Snowflake.");
    case "091016":
      return retry(
        "snowflake.staged_file",
        "COPY can't find a staged file: something else removed it, or the external stage's URL doesn't match its bucket and prefix in the config.",
      );
    case "001003":
    case "000904":
      return giveUp("snowflake.statement", "This is a bug in Replayport. Please report it with this message.");
    case "401001":
    case "402001":
      if (isTlsFault(error.cause?.code)) return giveUp("snowflake.tls", untrusted(context.address));
      return error.cause?.code === "ENOTFOUND"
        ? giveUp("snowflake.unknown_host", `No such host: check \`account\` and \`host\` (${context.address}).`)
        : retry("snowflake.unreachable", `Check that this machine can reach ${context.address}.`);
    case "401002":
    case "402002":
      return answered(error.response?.statusCode, context);
    case "401003":
      return giveUp(
        "snowflake.not_snowflake",
        `The server at ${context.address} isn't Snowflake: check \`account\`, \`host\` and proxies.`,
      );
    default:
  }
  if (SUSPENDED.test(message)) return suspended();
  if (STAGE_ACCESS.test(message)) {
    return giveUp(
      "snowflake.stage_access",
      "Snowflake can't read the stage's bucket. Check the stage's URL, the keys or storage integration that it was created with, and that the role in AWS trusts Snowflake's user: DESC INTEGRATION …;",
    );
  }
  if (code.startsWith("404")) return giveUp("snowflake.options", "Check the options of the destination.");
  if (code.startsWith("412") || code.startsWith("413")) {
    return retry(
      "snowflake.certificate",
      `The certificate of ${context.address} couldn't be verified: let this machine reach its OCSP and CRL servers.`,
    );
  }
  if (code.startsWith("39")) {
    if (SECOND_FACTOR.test(message)) return secondFactor(context);
    return NO_ROLE.test(message) ? noRole(code, context, role) : giveUp("snowflake.login", loginHint(context));
  }
  return byState(error.sqlState, granting, role);
}

/** With whatever code: after a login that succeeds, or instead of it. */
const SUSPENDED =
  /^(?:SQL (?:compilation|execution) error:\s*)?Your (?:free trial has ended|account (?:is|has been) suspended)/;

/** COPY reads an external stage with the stage's own keys or role. A bucket that is only busy answers 503. */
const STAGE_ACCESS =
  /^(?:SQL (?:compilation|execution) error:\s*)?(?:Failure using stage area\. Cause: \[[^\]]*\(Status Code: (?:301|403|404);|Error assuming AWS_ROLE)/;

/** Logins come with more codes than are known, so their fixed beginnings count, too. */
const SECOND_FACTOR = /^(?:Failed to authenticate: )?(?:MFA |Multi-factor authentication )/;
const NO_ROLE = /^(?:Role '|User's configured default role |The role requested in the connection )/;

function secondFactor({ username }: ErrorContext): Classification {
  return giveUp(
    "snowflake.second_factor",
    `Snowflake asks for a second factor, which nobody can give here: ALTER USER ${username} SET TYPE = SERVICE; and sign in with private_key instead of password.`,
  );
}

function noRole(code: string, { auth, username }: ErrorContext, role: string): Classification {
  const token =
    code === "390317" || auth === "OAuth token" ? " An OAuth token has to be issued for that role, too." : "";
  return giveUp(
    "snowflake.role",
    `Create the role, or let the user have it: GRANT ROLE ${role} TO USER ${username};${token}`,
  );
}

function suspended(): Classification {
  return giveUp(
    "snowflake.suspended",
    "Snowflake has suspended the account: its trial has ended, or its payment has failed. Add a payment method under Admin > Billing, or ask Snowflake's support.",
  );
}

function noWarehouse({ warehouse }: ErrorContext, role: string): Classification {
  return giveUp(
    "snowflake.warehouse",
    warehouse === undefined
      ? "The user has no default warehouse: set `warehouse`."
      : `There is no such warehouse, or the role may not use it: GRANT USAGE ON WAREHOUSE ${warehouse} TO ROLE ${role};`,
  );
}

/** https://docs.snowflake.com/en/developer-guide/snowflake-scripting/exceptions lists no codes: SQL states are the standard's. */
function byState(state: string | undefined, granting: string, role: string): Classification {
  switch (state?.slice(0, 2)) {
    case "22":
      return giveUp("snowflake.data", "A value doesn't fit its column: compare the table's columns with the export's.");
    case "0A":
    case "42":
    case "02":
      return state === "42501"
        ? denied(granting, role)
        : giveUp(
            "snowflake.refused",
            "Snowflake refused the statement; the message says why. Rows can be merged into a table only, not into a view, an external or a dynamic table.",
          );
    case undefined:
    default:
      return retry("snowflake.failed", "The batch is tried again later.");
  }
}

function denied(granting: string, role: string): Classification {
  const hint = granting === "" ? `Ask an owner to grant the privilege in this message to the role ${role}.` : granting;
  return giveUp("snowflake.access_denied", hint);
}

function missing(granting: string): Classification {
  const granted = granting === "" ? "" : ` If they are right: ${granting}`;
  return giveUp(
    "snowflake.missing",
    `Check \`database\` and \`schema\`, which must exist, and the other names.${granted}`,
  );
}

function loginHint({ auth, username, account }: ErrorContext): string {
  return `Check account (${account}), username (${username}) and ${auth}, and that the user isn't disabled or locked: DESCRIBE USER ${username};`;
}

function answered(status: number | undefined, { address, account }: ErrorContext): Classification {
  if (status === 403 || status === 404) {
    return giveUp(
      "snowflake.account",
      `There is no account ${account} at ${address}: write organisation-account, or the locator with its region.`,
    );
  }
  if (status === 407) {
    return giveUp("snowflake.proxy", "A proxy asks for a user and a password: put them into HTTPS_PROXY.");
  }
  return retry("snowflake.unavailable", `${address} failed (HTTP ${status ?? "?"}).`);
}

/** The client waited longer than Snowflake lets a statement run. */
export function noAnswer(statement: Statement, waitedMs: number, { address }: ErrorContext): ReplayportError {
  return new ReplayportError(
    `${statement.doing} had no answer for ${Math.round(waitedMs / 1000)} s`,
    retry(
      "snowflake.no_answer",
      `Check that this machine can reach ${address}. The statement was cancelled, if the request got through.`,
    ),
  );
}
