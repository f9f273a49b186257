/** The OpenAPI document, generated from the schemas that validate requests. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { VERSION } from "../version.ts";

export function addOpenApi(app: OpenAPIHono): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "token", {
    type: "http",
    scheme: "bearer",
    description: "The config's http.token. With http.public_reads, GET needs none.",
  });
  app.get("/api/openapi.json", (c) =>
    c.json(
      app.getOpenAPI31Document({
        openapi: "3.1.0",
        info: {
          title: "Replayport",
          version: VERSION,
          description: "Status and control of the fleet.",
          license: { name: "MIT" },
        },
        servers: [{ url: "/" }],
        security: [{ token: [] }],
        tags: [{ name: "exports" }, { name: "runs" }, { name: "backfills" }, { name: "fleet" }],
      }),
    ),
  );
}
