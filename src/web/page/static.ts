/**
 * The page's style and script. Both stand in the page itself, and the Content-Security-Policy allows them by their hashes. The chart
 * library is served from our origin.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { raw } from "hono/html";

const require = createRequire(import.meta.url);
const own = (name: string): string => readFileSync(new URL(`static/${name}`, import.meta.url), "utf8");
const uplot = (name: string): string => readFileSync(require.resolve(`uplot/dist/${name}`), "utf8");

const hash = (text: string): string => createHash("sha256").update(text).digest("base64");

const style = `${own("page.css")}${uplot("uPlot.min.css")}`;
const script = own("client.js");

/** As one string: the text between the tags must be exactly what was hashed. */
export const STYLE_ELEMENT = raw(`<style>${style}</style>`);
export const SCRIPT_ELEMENT = raw(`<script>${script}</script>`);
export const STYLE_HASH = `'sha256-${hash(style)}'`;
export const SCRIPT_HASH = `'sha256-${hash(script)}'`;

export const CHARTS = uplot("uPlot.iife.min.js");
/** Changes with the library, so that browsers may keep it. */
export const CHARTS_PATH = `assets/charts-${hash(CHARTS).slice(0, 12).replaceAll(/[+/]/g, "_")}.js`;
