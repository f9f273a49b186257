import { createRoute, z } from "@hono/zod-openapi";
import { ReplayportError } from "../../errors.ts";
import { type Interval, overlaps } from "../../intervals/interval.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import { RequestError } from "../errors.ts";
import { backfillBody, backfillId, backfillSchema } from "../schemas.ts";
import { toJson } from "../json.ts";
import { failures, json, jsonBody, readSignal, type RouteDependencies } from "./answers.ts";

const tags = ["backfills"];

const list = createRoute({
  method: "get",
  path: "/api/backfills",
  operationId: "listBackfills",
  summary: "Backfills, newest first; kept for 30 days after their end",
  tags,
  responses: { 200: json(z.strictObject({ backfills: z.array(backfillSchema) }), "The backfills"), ...failures() },
});

const start = createRoute({
  method: "post",
  path: "/api/backfills",
  operationId: "startBackfill",
  summary: "Plans a range and enqueues its first intervals",
  tags,
  request: { body: jsonBody(backfillBody) },
  responses: { 201: json(backfillSchema, "The backfill"), ...failures(400, 404, 409, 413, 415, 502) },
});

const get = createRoute({
  method: "get",
  path: "/api/backfills/{id}",
  operationId: "getBackfill",
  summary: "One backfill with its progress",
  tags,
  request: { params: backfillId },
  responses: { 200: json(backfillSchema, "The backfill"), ...failures(400, 404) },
});

const cancel = createRoute({
  method: "post",
  path: "/api/backfills/{id}/cancel",
  operationId: "cancelBackfill",
  summary: "Drops what waits and aborts what runs; what is loaded stays. Idempotent",
  tags,
  request: { params: backfillId },
  responses: { 200: json(backfillSchema, "The cancelled backfill"), ...failures(400, 404) },
});

const retry = createRoute({
  method: "post",
  path: "/api/backfills/{id}/retry",
  operationId: "retryBackfill",
  summary: "Retries the failed intervals",
  tags,
  request: { params: backfillId },
  responses: { 200: json(backfillSchema, "The backfill, running again"), ...failures(400, 404, 409) },
});

/** The message contains the other backfill's id for people; programs get it as a field. */
async function withOther(
  thrown: unknown,
  fleet: Fleet,
  asked: { readonly export: string; readonly range: Interval; readonly id?: string },
  signal: AbortSignal,
): Promise<unknown> {
  if (!(thrown instanceof ReplayportError) || thrown.code !== "backfill.overlap") return thrown;
  const all = await fleet.backfills(signal).catch(() => []);
  const other = all.find(
    (one) =>
      one.id !== asked.id && one.export === asked.export && one.state === "running" && overlaps(one.range, asked.range),
  );
  if (!other) return thrown;
  const hint = thrown.hint ?? `Wait for ${other.id}, or cancel it: POST /api/backfills/${other.id}/cancel.`;
  return new RequestError(thrown.code, thrown.message, hint, { backfill: other.id });
}

export function addBackfills({ app, fleet, ending }: RouteDependencies): void {
  app.openapi(list, async (c) => {
    return c.json({ backfills: toJson(await fleet.backfills(readSignal(c, ending))) }, 200);
  });
  app.openapi(start, async (c) => {
    const { start: from, end, inFlight, ...rest } = c.req.valid("json");
    const request = { ...rest, range: { start: from, end }, ...(inFlight === undefined ? {} : { inFlight }) };
    try {
      const begun = await fleet.startBackfill(request, ending);
      c.header("Location", `/api/backfills/${begun.id}`);
      return c.json(toJson(begun), 201);
    } catch (error) {
      throw await withOther(error, fleet, request, ending);
    }
  });
  app.openapi(get, async (c) => {
    return c.json(toJson(await fleet.backfill(c.req.valid("param").id, readSignal(c, ending))), 200);
  });
  app.openapi(cancel, async (c) => c.json(toJson(await fleet.cancelBackfill(c.req.valid("param").id, ending)), 200));
  app.openapi(retry, async (c) => {
    const { id } = c.req.valid("param");
    try {
      return c.json(toJson(await fleet.retryBackfill(id, ending)), 200);
    } catch (error) {
      const known = await fleet.backfill(id, ending).catch(() => undefined);
      throw known ? await withOther(error, fleet, known, ending) : error;
    }
  });
}
