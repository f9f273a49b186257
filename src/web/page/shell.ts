/** The frame of every page: head, top bar, footer. Links are relative, so that a proxy can serve the pages under a path. */
import { html } from "hono/html";
import { VERSION } from "../../version.ts";
import type { Html } from "./format.ts";
import { SCRIPT_ELEMENT, STYLE_ELEMENT } from "./static.ts";

export interface Visitor {
  /** `none`: there is no token to log in with. */
  readonly login: "none" | "out" | "in";
  /** For the forms of who is logged in. */
  readonly formToken?: string | undefined;
  /** What the last form did. */
  readonly notice?: string | undefined;
}

export interface Frame {
  readonly title: string;
  /** To the dashboard: `./`, `../`, `../../`. */
  readonly root: string;
  readonly at: Date;
  readonly visitor: Visitor;
  /** Whether the page refreshes; undefined: it has nothing that changes. */
  readonly refreshes?: boolean;
  /** The page's own address without its query. */
  readonly self?: string;
  /** Why a part is empty; redacted. */
  readonly problems?: readonly string[];
  readonly scripts?: readonly string[];
}

const REFRESH_SECONDS = 10;

/** A page without bar and footer. */
export function documentOf(title: string, body: Html, head: Html | "" = ""): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        ${head}
        <title>${title}</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        ${body}
      </body>
    </html>`;
}

export function pageOf(frame: Frame, body: Html | readonly Html[]): Html {
  const { title, root, at, visitor, refreshes, problems = [], scripts = [] } = frame;
  // Without scripts the whole page is loaded again.
  const head = html`${
    refreshes === true
      ? html`<noscript><meta http-equiv="refresh" content="${String(REFRESH_SECONDS)}" /></noscript>`
      : ""
  }${scripts.map((path) => html`<script src="${root}${path}" defer></script>`)}`;
  return documentOf(
    title,
    html`<a class="skip" href="#main">Skip to the content</a>
      <header class="bar">
        <a class="home" href="${root}">Replayport</a>
        <nav aria-label="Pages"><a href="${root}backfills">Backfills</a></nav>
        <span class="clock quiet" id="clock" data-live>
          <time class="clock" datetime="${at.toISOString()}">${at.toISOString().slice(11, 19)} UTC</time>
        </span>
        ${refreshes === undefined ? "" : refreshing(frame)}
      </header>
      <main id="main">
        <p class="note warn" id="stale" role="status" hidden>
          This page couldn't be refreshed, so it shows an older state. It will try again.
        </p>
        ${visitor.notice === undefined ? "" : html`<p class="note good" role="status">${visitor.notice}</p>`}
        <div id="problems" data-live>
          ${problems.map((problem) => html`<p class="note bad" role="alert">${problem}</p>`)}
        </div>
        ${body}
      </main>
      ${footer(frame)} ${SCRIPT_ELEMENT}`,
    head,
  );
}

function refreshing({ refreshes, self = "" }: Frame): Html {
  const off = refreshes === true ? "" : html` data-off`;
  return html`<span class="quiet" id="refreshing" ${off}>
    <noscript
      >${
        refreshes === true
          ? html`refreshes every ${REFRESH_SECONDS} s. <a href="${self}?refresh=off">Stop</a>`
          : html`stopped. <a href="${self}">Refresh</a>`
      }</noscript
    >
  </span>`;
}

function footer({ root, visitor: { login } }: Frame): Html {
  return html`<footer>
    <span>Replayport ${VERSION}</span>
    <a href="${root}api/openapi.json">API</a>
    <a href="${root}metrics">Metrics</a>
    <span>Times are UTC.</span>
    ${login === "in" ? html`<form method="post" action="${root}logout"><button>Log out</button></form>` : ""}
    ${login === "out" ? html`<a href="${root}login">Log in</a>` : ""}
  </footer>`;
}
