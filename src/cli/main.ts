#!/usr/bin/env node
/**
 * The entry point. Node.js keeps what it has compiled for the next start, which is most of the time of a short command: cron starts
 * one every few minutes. In the user's own folder, since whoever may write there could have us run anything.
 */
import module from "node:module";
import { join } from "node:path";

const { HOME, XDG_CACHE_HOME } = process.env;
const caches = XDG_CACHE_HOME ?? (HOME === undefined ? undefined : join(HOME, ".cache"));
// Does nothing where the folder can't be written. Versions of Node.js that lack it are refused by what follows.
if (caches !== undefined) module.enableCompileCache?.(join(caches, "replayport"));
await import("./start.ts");
