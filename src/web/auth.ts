/**
 * Who may do what. Everything that isn't listed as open requires the token: changes always, reads unless `publicReads`.
 *
 * Programs send `Authorization: Bearer <token>`. A browser can't, so the dashboard has a form that exchanges the token for a
 * cookie. The cookie is HttpOnly, so no script can read it. It allows reads, and the forms of the dashboard's pages, each of which
 * proves that it comes from one of them (`guardForms`); never the API's changes. docs/adr/0040 says why that is enough.
 */
import { createHmac, randomBytes, randomInt, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { Fleet } from "../fleet/fleet.ts";
import { RequestError } from "./errors.ts";
import type { GuessedAt } from "./guesses.ts";

export interface AuthOptions {
  readonly token: string | undefined;
  readonly publicReads: boolean;
}

export interface AuthDependencies {
  /** Remembers, for all of its processes, which sessions were ended. */
  readonly fleet: Pick<Fleet, "claim" | "claimed">;
  readonly now: () => Date;
  /** Called with each wrong token; resolves when it may be answered. */
  readonly onWrong: (at: GuessedAt, c: Context) => Promise<void>;
}

const COOKIE = "replayport_session";
const SESSION_SECONDS = 12 * 3600;
/** A session's number is the second of its end, and six random digits that tell it from others of that second. */
const IN_A_SECOND = 1_000_000;
/** Without an answer of Redis by then, a session counts: reads must work without Redis. */
const ENDED_MS = 1_000;
const OPEN: ReadonlySet<string> = new Set(["/healthz", "/readyz", "/login", "/logout"]);

/** Random per process. Digests are compared, never the tokens themselves, so both sides have the same length. */
const salt = randomBytes(32);

/** Compares in constant time. */
export function sameSecret(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHmac("sha256", salt).update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

export class Auth {
  readonly #options: AuthOptions;
  readonly #dependencies: AuthDependencies;
  /** Sessions that ended here, and the second at which they would have. Also works without Redis. */
  readonly #ended = new Map<string, number>();

  constructor(options: AuthOptions, dependencies: AuthDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  isToken(given: string): boolean {
    const { token } = this.#options;
    return token !== undefined && sameSecret(given, token);
  }

  /** `none`: there is no token to log in with. */
  async loginState(c: Context): Promise<"none" | "out" | "in"> {
    if (await this.#hasSession(c)) return "in";
    return this.#options.token === undefined ? "none" : "out";
  }

  login(c: Context): void {
    const session = String((this.#seconds() + SESSION_SECONDS) * IN_A_SECOND + randomInt(IN_A_SECOND));
    setCookie(c, COOKIE, `${session}.${this.#sign(session)}`, {
      httpOnly: true,
      sameSite: "Lax",
      path: "/",
      maxAge: SESSION_SECONDS,
      secure: isOverTls(c),
    });
  }

  /** Ends the session, so that a copy of the cookie is of no use either. */
  async logout(c: Context, signal: AbortSignal): Promise<void> {
    const session = this.#session(c);
    if (session === undefined) return;
    for (const [one, until] of this.#ended) if (until <= this.#seconds()) this.#ended.delete(one);
    this.#ended.set(session.number, session.until);
    deleteCookie(c, COOKIE, { path: "/" });
    const left = (session.until - this.#seconds()) * 1000;
    await this.#dependencies.fleet.claim(endedName(session.number), left, signal).catch(() => undefined);
  }

  /** What a form of the session's pages carries. Another site can't know it, nor can another session. */
  formToken(c: Context): string | undefined {
    const session = this.#session(c);
    return session && this.#sign(`form ${session.number}`);
  }

  /**
   * Refuses forms that don't come from a page of this session. Comes after `guard`, which has seen that there is a session, and after
   * the limit of the body's size.
   */
  guardForms(): MiddlewareHandler {
    return async (c, next) => {
      if (isRead(c)) return await next();
      const given = new URLSearchParams(await c.req.text()).get("form") ?? "";
      const expected = this.formToken(c);
      // Browsers that don't send the header are left to the token.
      const site = c.req.header("sec-fetch-site") ?? "same-origin";
      if (site === "same-origin" && expected !== undefined && sameSecret(given, expected)) return await next();
      const hint = "Open the page again and send its form. Programs use the API, with the token.";
      throw new RequestError("http.foreign_form", "this form doesn't come from a page of your session", hint);
    };
  }

  /** @param deny answers a request without permission; if it returns nothing, a RequestError is thrown */
  guard(deny: (c: Context) => Promise<Response | undefined>): MiddlewareHandler {
    return async (c, next) => {
      if (OPEN.has(c.req.path)) return await next();
      const reads = isRead(c);
      if (reads && this.#options.publicReads) return await next();
      if (this.#hasBearer(c) || ((reads || isForm(c)) && (await this.#hasSession(c)))) return await next();
      if (this.#options.token === undefined) {
        const hint = "Set http.token in the config to allow changes, and http.public_reads to allow reads without it.";
        throw new RequestError("http.read_only", "no token is configured, so nobody has access", hint);
      }
      const isGuess = c.req.header("authorization") !== undefined;
      if (isGuess) await this.#dependencies.onWrong("api", c);
      const page = await deny(c);
      if (page) return page;
      const hint = "Send the config's http.token as: Authorization: Bearer <token>.";
      throw new RequestError("http.unauthorized", isGuess ? "the token is wrong" : "the token is missing", hint);
    };
  }

  #hasBearer(c: Context): boolean {
    const [, given] = /^Bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "") ?? [];
    return given !== undefined && this.isToken(given);
  }

  async #hasSession(c: Context): Promise<boolean> {
    const session = this.#session(c);
    if (session === undefined || this.#ended.has(session.number)) return false;
    const { fleet } = this.#dependencies;
    const limit = AbortSignal.any([c.req.raw.signal, AbortSignal.timeout(ENDED_MS)]);
    return !(await fleet.claimed(endedName(session.number), limit).catch(() => false));
  }

  /** The cookie's session, if we signed it and it isn't over. It may have been ended since. */
  #session(c: Context): { readonly number: string; readonly until: number } | undefined {
    const [, number = "", mark = ""] = /^(\d{7,16})\.([\w-]{43})$/.exec(getCookie(c, COOKIE) ?? "") ?? [];
    const until = Math.floor(Number(number) / IN_A_SECOND);
    if (mark === "" || !sameSecret(mark, this.#sign(number)) || until <= this.#seconds()) return undefined;
    return { number, until };
  }

  /** Signed with the token: every process with the same token accepts it, and a new token ends all sessions. */
  #sign(session: string): string {
    const key = this.#options.token ?? randomBytes(32);
    return createHmac("sha256", key).update(`replayport dashboard ${session}`).digest("base64url");
  }

  #seconds(): number {
    return Math.floor(this.#dependencies.now().getTime() / 1000);
  }
}

function isRead(c: Context): boolean {
  return c.req.method === "GET" || c.req.method === "HEAD";
}

/** What `guardForms` guards. */
export const FORMS = ["/exports/*", "/backfills/*"] as const;

function isForm(c: Context): boolean {
  return c.req.method === "POST" && FORMS.some((path) => c.req.path.startsWith(path.slice(0, -1)));
}

function endedName(session: string): string {
  return `ended session ${session}`;
}

/**
 * Whether the browser speaks HTTPS, to a proxy that is: the first of several proxies says so, and where a later one replaces its
 * header, the Origin of the form does. A forged header only decides whether the browser sends its own cookie unencrypted.
 */
function isOverTls(c: Context): boolean {
  const [first = ""] = (c.req.header("x-forwarded-proto") ?? "").split(",");
  return first.trim().toLowerCase() === "https" || /^https:/i.test(c.req.header("origin") ?? "");
}
