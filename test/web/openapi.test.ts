/** The OpenAPI document: what api.test.ts does not see of it. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type OpenApiDocument, type OperationObject, assertDescribed, jsonSchema, openApp } from "./app_client.ts";

using client = await openApp();
const document = (await client.ask("GET", "/api/openapi.json")).json as OpenApiDocument;
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

suite("the OpenAPI document", () => {
  test("the OpenAPI document is of version 3.1 and describes the token", () => {
    assert.equal(document.openapi, "3.1.0");
    assert.deepEqual(document.security, [{ token: [] }]);
    assert.equal((document.components.securitySchemes["token"] as { scheme?: unknown }).scheme, "bearer");
  });

  test("the OpenAPI document has exactly the app's API routes", () => {
    const routes = client.app.routes
      .filter(({ path, method }) => path.startsWith("/api/") && method !== "ALL" && path !== "/api/openapi.json")
      .map(({ path, method }) => `${method.toLowerCase()} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
    assert.deepEqual(operations.map(({ path, method }) => `${method} ${path}`).sort(), [...new Set(routes)].sort());
    assert.equal(operations.length, 13);
  });

  test("every operation in the OpenAPI document has a unique name, a summary and a known tag", () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    assert.equal(new Set(ids).size, ids.length);
    const tags = new Set(document.tags.map(({ name }) => name));
    for (const { operation } of operations) {
      assert.ok(operation.summary.length > 3);
      assert.ok(operation.tags.every((tag) => tags.has(tag)));
    }
  });

  test("every path parameter in the OpenAPI document is declared", () => {
    for (const { path, operation } of operations) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const declared = (operation.parameters ?? []).filter((one) => one.in === "path");
      assert.deepEqual(
        declared.map(({ name }) => name),
        named,
      );
      assert.ok(declared.every(({ required }) => required === true));
    }
  });

  test("every reference in the OpenAPI document resolves", () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
    assert.ok(references.length > 20);
    for (const [, name = ""] of references) assert.ok(document.components.schemas[name], name);
  });

  test("every operation in the OpenAPI document has 401, 403, 500 and 503 with one shape", () => {
    for (const { operation } of operations) {
      for (const status of ["401", "403", "500", "503"]) {
        const schema = operation.responses[status]?.content?.["application/json"]?.schema;
        assert.deepEqual(schema, { $ref: "#/components/schemas/Error" });
      }
    }
  });

  test("the OpenAPI document accepts and refuses the same bodies as the route", () => {
    const operation: OperationObject | undefined = document.paths["/api/backfills"]?.["post"];
    const body = operation?.requestBody?.content["application/json"]?.schema;
    assert.ok(body);
    const schema = jsonSchema(body, document);
    const right = { export: "replays", start: "2026-10-01T00:00:00Z", end: "2026-10-02T00:00:00Z" };
    assert.ok(schema.safeParse(right).success);
    assert.ok(!schema.safeParse({ ...right, frm: 1 }).success);
    assert.ok(!schema.safeParse({ ...right, inFlight: 65 }).success);
    assert.ok(!schema.safeParse({ export: "replays" }).success);
  });

  test("the check of answers against the OpenAPI document can fail", () => {
    const queue = { waiting: 1, backfill: 1, delayed: 1, active: 1 };
    assertDescribed(document, "GET", "/api/queue", 200, queue);
    assert.throws(() => {
      assertDescribed(document, "GET", "/api/queue", 200, { ...queue, active: -1 });
    });
    assert.throws(() => {
      assertDescribed(document, "GET", "/api/queue", 200, { ...queue, more: 1 });
    });
    assert.throws(() => {
      assertDescribed(document, "GET", "/api/queue", 418, queue);
    });
  });
});
