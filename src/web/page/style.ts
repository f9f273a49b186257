/** The page's style. The Content-Security-Policy allows its hash, and no other style or script. */
import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import type { Html } from "./format.ts";

const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f6f7f9; --card: #fff; --line: #e2e5ea; --text: #1b1f27; --quiet: #565f6d;
  --good: #0f6b43; --good-ground: #def3e7; --warn: #7d4b00; --warn-ground: #fdeecf;
  --bad: #a8201a; --bad-ground: #fce3e1; --blue: #1b57b3; --blue-ground: #e1ecfb;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12151b; --card: #1a1e26; --line: #2c323d; --text: #e7eaf0; --quiet: #a3acbb;
    --good: #6fd6a2; --good-ground: #173527; --warn: #f2c069; --warn-ground: #3a2c10;
    --bad: #ff9a92; --bad-ground: #431d1b; --blue: #8fbcff; --blue-ground: #1a2c48;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 1.25rem clamp(0.75rem, 3vw, 2rem) 3rem; background: var(--ground); color: var(--text);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums;
}
main, header, footer { max-width: 76rem; margin-inline: auto; }
header { display: flex; flex-wrap: wrap; gap: 0.4rem 0.6rem; align-items: center; margin-bottom: 1rem; }
h1 { font-size: 1.3rem; margin: 0 0.4rem 0 0; letter-spacing: -0.01em; }
h2 { font-size: 1rem; margin: 1.75rem 0 0.6rem; }
h2 small { font-weight: 400; }
small, .quiet, footer, thead th { color: var(--quiet); }
small { font-size: 0.83rem; }
header .quiet { margin-left: auto; font-size: 0.9rem; }
code { font: 0.9em ui-monospace, SFMono-Regular, Menlo, monospace; overflow-wrap: anywhere; }
.badge {
  display: inline-block; padding: 0.05rem 0.55rem; border-radius: 1rem; font-size: 0.8rem; font-weight: 600;
  white-space: nowrap; background: var(--line); color: var(--quiet);
}
.good { background: var(--good-ground); color: var(--good); }
.warn { background: var(--warn-ground); color: var(--warn); }
.bad { background: var(--bad-ground); color: var(--bad); }
.info { background: var(--blue-ground); color: var(--blue); }
.note { border-radius: 0.5rem; padding: 0.6rem 0.9rem; margin: 0 0 0.6rem; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 0.6rem; margin: 0; }
.tiles div, .card { background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; }
.tiles div { padding: 0.6rem 0.9rem; }
.tiles dt { color: var(--quiet); font-size: 0.85rem; }
.tiles dd { margin: 0; font-size: 1.2rem; font-weight: 600; overflow-wrap: anywhere; }
.tiles dd small { display: block; font-size: 0.83rem; font-weight: 400; }
.card { overflow: hidden; }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-weight: 600; }
thead th { font-weight: 500; font-size: 0.83rem; white-space: nowrap; }
th, td { padding: 0.5rem 0.8rem; vertical-align: top; }
tbody tr { border-top: 1px solid var(--line); }
tbody th { overflow-wrap: anywhere; min-width: 9rem; }
td.state { white-space: nowrap; }
td.wide, tr.detail td { overflow-wrap: anywhere; }
td.progress { min-width: 11rem; }
th > small, td > small { display: block; font-weight: 400; }
td.state > small { display: inline; white-space: normal; }
time { white-space: nowrap; }
tr.detail { border-top: 0; }
tr.detail td { padding-top: 0; }
tr.detail p { margin: 0; padding-left: 0.7rem; border-left: 3px solid var(--line); }
tr.detail p + p { padding-top: 0.35rem; }
.error { color: var(--bad); }
.empty { padding: 0.8rem; color: var(--quiet); margin: 0; border-top: 1px solid var(--line); }
progress { width: 100%; height: 0.55rem; accent-color: var(--blue); display: block; margin: 0.4rem 0 0.2rem; }
footer { margin-top: 2rem; font-size: 0.85rem; display: flex; flex-wrap: wrap; gap: 0.3rem 1rem; align-items: center; }
a { color: var(--blue); }
button, input { font: inherit; border-radius: 0.4rem; border: 1px solid var(--quiet); padding: 0.45rem 0.8rem; }
button { background: var(--blue); border-color: var(--blue); color: var(--card); font-weight: 600; cursor: pointer; }
footer button { background: none; border: 0; padding: 0; color: var(--blue); font-weight: 400; text-decoration: underline; }
input { width: 100%; background: var(--ground); color: inherit; margin: 0.3rem 0 0.8rem; }
.login { max-width: 24rem; margin: 12vh auto 0; padding: 1.5rem; }
.login h1 { margin-bottom: 0.4rem; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
@media (max-width: 50rem) {
  thead { display: none; }
  table, tbody { display: block; }
  tr { display: grid; grid-template-columns: 3fr 2fr 3fr; gap: 0.35rem 0.8rem; padding: 0.65rem 0.8rem; }
  td, tbody th { padding: 0; min-width: 0; }
  td.state { text-align: right; white-space: normal; }
  td.state .badge { white-space: normal; border-radius: 0.7rem; }
  td.range { grid-column: span 2; }
  tbody th { grid-column: span 2; }
  td[data-label] { overflow-wrap: anywhere; }
  td[data-label]::before { content: attr(data-label); color: var(--quiet); display: block; font-size: 0.83rem; }
  td.wide, tr.detail { grid-column: 1 / -1; }
  tr.detail { display: block; padding-top: 0; }
  .tiles { grid-template-columns: repeat(6, 1fr); }
  .tiles div { grid-column: span 2; padding: 0.5rem 0.7rem; }
  .tiles div:nth-child(n + 4) { grid-column: span 3; }
  header .quiet { margin-left: 0; width: 100%; }
}
`;

/** As one string: the text between the tags must be exactly what was hashed. */
const STYLE_ELEMENT = raw(`<style>${STYLE}</style>`);
export const STYLE_HASH = `'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`;

export interface PageOptions {
  readonly title: string;
  /** Undefined: the page doesn't refresh. */
  readonly refreshSeconds?: number;
}

export function pageOf({ title, refreshSeconds }: PageOptions, body: Html): Html {
  const refresh =
    refreshSeconds === undefined ? "" : html`<meta http-equiv="refresh" content="${String(refreshSeconds)}" />`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        ${refresh}
        <title>${title}</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        ${body}
      </body>
    </html>`;
}
