/** The OpenAPI document, made from the schemas that requests are checked against. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { VERSION } from "../version.ts";

export function addOpenApi(app: OpenAPIHono): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "token", {
    type: "http",
    scheme: "bearer",
    description: "http.token of the config. With http.public_reads, GET takes none.",
  });
  app.get("/api/openapi.json", (c) =>
    c.json(
      app.getOpenAPI31Document({
        openapi: "3.1.0",
        info: {
          title: "Replayport",
          version: VERSION,
          description: "What the fleet does, and what it can be asked to do.",
          license: { name: "MIT" },
        },
        servers: [{ url: "/" }],
        security: [{ token: [] }],
        tags: [{ name: "exports" }, { name: "runs" }, { name: "backfills" }, { name: "fleet" }],
      }),
    ),
  );
}
