import { createRoute, z } from "@hono/zod-openapi";
import { healthSchema, queueSchema, runSchema, runsQuery } from "../schemas.ts";
import { toJson } from "../json.ts";
import { failures, json, readSignal, type RouteDependencies } from "./answers.ts";

const runs = createRoute({
  method: "get",
  path: "/api/runs",
  operationId: "listRuns",
  summary: "Queued and running runs, then the last finished ones, newest first",
  tags: ["runs"],
  request: { query: runsQuery },
  responses: { 200: json(z.strictObject({ runs: z.array(runSchema) }), "The runs"), ...failures(400) },
});

const queue = createRoute({
  method: "get",
  path: "/api/queue",
  operationId: "getQueue",
  summary: "Number of jobs by state",
  tags: ["runs"],
  responses: { 200: json(queueSchema, "The queue"), ...failures() },
});

const health = createRoute({
  method: "get",
  path: "/api/health",
  operationId: "getHealth",
  summary: "Redis, warnings, and the processes of the fleet; 200 even if Redis is down",
  tags: ["fleet"],
  responses: { 200: json(healthSchema, "The fleet's health"), ...failures() },
});

export function addRuns({ app, fleet, ending }: RouteDependencies): void {
  app.openapi(runs, async (c) => {
    const { limit, export: name, state, backfill } = c.req.valid("query");
    const query = {
      limit,
      ...(name === undefined ? {} : { export: name }),
      ...(state === undefined ? {} : { states: state }),
      ...(backfill === undefined ? {} : { backfill }),
    };
    return c.json({ runs: toJson(await fleet.runs(query, readSignal(c, ending))) }, 200);
  });
  app.openapi(queue, async (c) => c.json(toJson(await fleet.queue(readSignal(c, ending))), 200));
  app.openapi(health, async (c) => c.json(toJson(await fleet.health(readSignal(c, ending))), 200));
}
