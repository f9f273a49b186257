/**
 * Who may do what. Everything that isn't listed as open requires the token: changes always, reads unless `publicReads`.
 *
 * Programs send `Authorization: Bearer <token>`. A browser can't, so the dashboard has a form that exchanges the token for a
 * cookie. The cookie is HttpOnly, so no script can read it, and it only allows reads, so no other site can change anything
 * through it. sessionStorage was rejected: it needs a script, and then the page's policy would have to allow scripts.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { RequestError } from "./errors.ts";

export interface AuthOptions {
  readonly token: string | undefined;
  readonly publicReads: boolean;
}

const COOKIE = "replayport_session";
const SESSION_SECONDS = 12 * 3600;
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
  readonly #now: () => Date;

  constructor(options: AuthOptions, now: () => Date) {
    this.#options = options;
    this.#now = now;
  }

  isToken(given: string): boolean {
    const { token } = this.#options;
    return token !== undefined && sameSecret(given, token);
  }

  mayRead(c: Context): boolean {
    return this.#options.publicReads || this.#hasBearer(c) || this.#hasSession(c);
  }

  /** `none`: there is no token to log in with. */
  loginState(c: Context): "none" | "out" | "in" {
    if (this.#hasSession(c)) return "in";
    return this.#options.token === undefined ? "none" : "out";
  }

  login(c: Context): void {
    const until = Math.floor(this.#now().getTime() / 1000) + SESSION_SECONDS;
    setCookie(c, COOKIE, `${until}.${this.#sign(until)}`, {
      httpOnly: true,
      sameSite: "Lax",
      path: "/",
      maxAge: SESSION_SECONDS,
      // A proxy terminates TLS and sets this header. A forged one only decides whether the browser sends its own cookie unencrypted.
      secure: c.req.header("x-forwarded-proto") === "https",
    });
  }

  logout(c: Context): void {
    deleteCookie(c, COOKIE, { path: "/" });
  }

  /** @param deny answers a read without permission; if it returns nothing, a RequestError is thrown */
  guard(deny: (c: Context) => Promise<Response | undefined>): MiddlewareHandler {
    return async (c, next) => {
      if (OPEN.has(c.req.path)) return await next();
      const reads = c.req.method === "GET" || c.req.method === "HEAD";
      if (reads ? this.mayRead(c) : this.#hasBearer(c)) return await next();
      if (this.#options.token === undefined) {
        const hint = "Set http.token in the config to allow changes, and http.public_reads to allow reads without it.";
        throw new RequestError("http.read_only", "no token is configured, so nobody has access", hint);
      }
      const page = reads ? await deny(c) : undefined;
      if (page) return page;
      const hint = "Send the config's http.token as: Authorization: Bearer <token>.";
      const what = c.req.header("authorization") === undefined ? "the token is missing" : "the token is wrong";
      throw new RequestError("http.unauthorized", what, hint);
    };
  }

  #hasBearer(c: Context): boolean {
    const [, given] = /^Bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "") ?? [];
    return given !== undefined && this.isToken(given);
  }

  #hasSession(c: Context): boolean {
    const [, until = "", mark = ""] = /^(\d{1,12})\.([\w-]{43})$/.exec(getCookie(c, COOKIE) ?? "") ?? [];
    return mark !== "" && sameSecret(mark, this.#sign(Number(until))) && Number(until) * 1000 > this.#now().getTime();
  }

  /** Signed with the token: every process with the same token accepts it, and a new token ends all sessions. */
  #sign(until: number): string {
    const key = this.#options.token ?? randomBytes(32);
    return createHmac("sha256", key).update(`replayport dashboard ${until}`).digest("base64url");
  }
}
