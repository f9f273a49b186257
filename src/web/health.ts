/** `/healthz`: the process is alive. `/readyz`: it can work. Both need no token, so they reveal no host and no reason. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Fleet } from "../fleet/fleet.ts";

export function addHealth(app: OpenAPIHono, fleet: Fleet, closing: AbortSignal): void {
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    if (closing.aborted) return c.json({ status: "closing" }, 503);
    // `health` never rejects. /api/health says more.
    const { redis } = await fleet.health(AbortSignal.any([c.req.raw.signal, closing]));
    return redis ? c.json({ status: "ready" }) : c.json({ status: "redis is down" }, 503);
  });
}
