/** `/healthz`: the process lives. `/readyz`: it can do its work. Both are open, so they name no host and no reason. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Fleet } from "../fleet/fleet.ts";

export function addHealth(app: OpenAPIHono, fleet: Fleet, closing: AbortSignal): void {
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    if (closing.aborted) return c.json({ status: "closing" }, 503);
    // The config is loaded: without it there is no server. `health` never rejects, and tells more at /api/health.
    const { redis } = await fleet.health(AbortSignal.any([c.req.raw.signal, closing]));
    return redis ? c.json({ status: "ready" }) : c.json({ status: "redis does not answer" }, 503);
  });
}
