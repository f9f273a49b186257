/** Who visits a page, what the last form reported, and where the page is. */
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { printable } from "../text.ts";
import type { Auth } from "./auth.ts";
import type { Visitor } from "./page/shell.ts";

const NOTICE = "replayport_notice";
const NOTICE_SECONDS = 60;
const NOTICE_LENGTH = 400;

/** Pages of people. Everything else answers programs. */
const PAGES = /^\/(?:$|login$|run$|backfills(?:\/|$)|exports\/)/;

export function isPage(path: string): boolean {
  return PAGES.test(path);
}

/** From the page to the dashboard, so that a proxy can serve all of them under a path. */
export function rootOf(path: string): string {
  return `./${"../".repeat(path.split("/").length - 2)}`;
}

/** Pages refresh in place: then the message of the last form stays where it is. */
export async function visitorOf(c: Context, auth: Auth): Promise<Visitor> {
  const login = await auth.loginState(c);
  return { login, formToken: login === "in" ? auth.formToken(c) : undefined, notice: takeNotice(c) };
}

function takeNotice(c: Context): string | undefined {
  if (c.req.header("x-refresh") !== undefined) return undefined;
  const text = getCookie(c, NOTICE);
  if (text === undefined) return undefined;
  deleteCookie(c, NOTICE, { path: "/" });
  return printable(text).slice(0, NOTICE_LENGTH);
}

/** What the form did, shown once on the next page. */
export function leaveNotice(c: Context, text: string): void {
  const options = { httpOnly: true, sameSite: "Strict", path: "/", maxAge: NOTICE_SECONDS } as const;
  setCookie(c, NOTICE, text.slice(0, NOTICE_LENGTH), options);
}
