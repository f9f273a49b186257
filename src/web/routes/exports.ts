import { createRoute, z } from "@hono/zod-openapi";
import { withState } from "../../fleet/condition.ts";
import { exportName, exportSchema, pauseBody, resumeBody } from "../schemas.ts";
import { toJson } from "../json.ts";
import { failures, json, jsonBody, readSignal, type RouteDependencies } from "./answers.ts";

const tags = ["exports"];

const list = createRoute({
  method: "get",
  path: "/api/exports",
  operationId: "listExports",
  summary: "Every export, in the order of the config",
  tags,
  responses: { 200: json(z.strictObject({ exports: z.array(exportSchema) }), "The exports"), ...failures() },
});

const get = createRoute({
  method: "get",
  path: "/api/exports/{name}",
  operationId: "getExport",
  summary: "One export",
  tags,
  request: { params: exportName },
  responses: { 200: json(exportSchema, "The export"), ...failures(400, 404) },
});

const pause = createRoute({
  method: "post",
  path: "/api/exports/{name}/pause",
  operationId: "pauseExport",
  summary: "Nothing of the export is started until it is resumed",
  tags,
  request: { params: exportName, body: jsonBody(pauseBody) },
  responses: { 200: json(exportSchema, "The paused export"), ...failures(400, 404, 413, 415) },
});

const resume = createRoute({
  method: "post",
  path: "/api/exports/{name}/resume",
  operationId: "resumeExport",
  summary: "Ends a pause, resets the failures in a row and makes failed intervals eligible again",
  tags,
  request: { params: exportName, body: { ...jsonBody(resumeBody), required: false } },
  responses: { 200: json(exportSchema, "The resumed export"), ...failures(400, 404, 413, 415) },
});

const retry = createRoute({
  method: "post",
  path: "/api/exports/{name}/retry",
  operationId: "retryExport",
  summary: "Retries failed intervals and waiting runs as soon as a worker is free",
  tags,
  request: { params: exportName },
  responses: {
    200: json(z.strictObject({ intervals: z.int().min(0) }), "How many intervals"),
    ...failures(400, 404),
  },
});

export function addExports({ app, fleet, ending }: RouteDependencies): void {
  app.openapi(list, async (c) => {
    const exports = await fleet.exports(readSignal(c, ending));
    return c.json({ exports: toJson(exports.map(withState)) }, 200);
  });
  app.openapi(get, async (c) => {
    const one = await fleet.export(c.req.valid("param").name, readSignal(c, ending));
    return c.json(toJson(withState(one)), 200);
  });
  app.openapi(pause, async (c) => {
    const { reason, by } = c.req.valid("json");
    return c.json(toJson(withState(await fleet.pause(c.req.valid("param").name, reason, by, ending))), 200);
  });
  app.openapi(resume, async (c) => {
    // The body is optional. Without one, nothing was validated.
    const by = (c.req.valid("json") as { by?: string } | undefined)?.by ?? "api";
    return c.json(toJson(withState(await fleet.resume(c.req.valid("param").name, by, ending))), 200);
  });
  app.openapi(retry, async (c) => {
    return c.json({ intervals: await fleet.retry(c.req.valid("param").name, ending) }, 200);
  });
}
