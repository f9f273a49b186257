/** Asks the app without a network, and holds every JSON answer of the API to its own OpenAPI document. */
import assert from "node:assert/strict";
import type { OpenAPIHono } from "@hono/zod-openapi";
import * as z from "zod";
import { createApp } from "../../src/web/app.ts";
import type { WrongTokens } from "../../src/web/guesses.ts";
import { createMetrics } from "../../src/web/metrics.ts";
import { type FakeFleet, type FakeState, fakeFleet, NOW } from "../support/fake_fleet.ts";

export const TOKEN = "t0ken-of-the-tests-0123456789";

export type JsonObject = Readonly<Record<string, unknown>>;

export interface OpenApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonObject>>;
    readonly securitySchemes: JsonObject;
  };
  readonly security: readonly JsonObject[];
  readonly tags: readonly { readonly name: string }[];
}

export interface OperationObject {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonObject }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: JsonObject }>> }>
  >;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Of a JSON answer; else undefined. */
  readonly json: unknown;
}

export interface AppClient extends Disposable {
  readonly app: OpenAPIHono;
  readonly fleet: FakeFleet;
  readonly unexpected: readonly unknown[];
  readonly wrongTokens: readonly WrongTokens[];
  /** Milliseconds that answers waited. */
  readonly waits: readonly number[];
  readonly document: OpenApiDocument;
  /** With the token, unless `token` says otherwise (null: none). Every answer of the API is checked. */
  ask(method: string, path: string, options?: AskOptions): Promise<Answer>;
}

export interface AskOptions {
  readonly token?: string | null;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface AppOptions {
  readonly token?: string | undefined;
  readonly publicReads?: boolean;
  readonly now?: () => Date;
  readonly state?: Partial<FakeState>;
}

export async function openApp(options: AppOptions = {}): Promise<AppClient> {
  const fleet = fakeFleet(options.state);
  const metrics = createMetrics(fleet);
  const unexpected: unknown[] = [];
  const wrongTokens: WrongTokens[] = [];
  const waits: number[] = [];
  const app = createApp(
    { token: "token" in options ? options.token : TOKEN, publicReads: options.publicReads ?? false },
    {
      fleet,
      metrics,
      now: options.now ?? (() => NOW),
      redact: (text) => text.replaceAll("hunter2", "[redacted]"),
      onUnexpected: (error) => void unexpected.push(error),
      onWrongTokens: (wrong) => void wrongTokens.push(wrong),
      wait: async (ms) => {
        waits.push(ms);
        await Promise.resolve();
      },
      closing: new AbortController().signal,
      ending: new AbortController().signal,
    },
  );
  const document = app.getOpenAPI31Document({ openapi: "3.1.0", info: { title: "", version: "" } });
  const described = JSON.parse(JSON.stringify(document)) as OpenApiDocument;
  return {
    app,
    fleet,
    unexpected,
    wrongTokens,
    waits,
    document: described,
    async ask(method, path, { token = TOKEN, body, headers = {} } = {}) {
      const response = await app.request(path, {
        method,
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      const isJson = (response.headers.get("content-type") ?? "").startsWith("application/json");
      const json: unknown = isJson && text !== "" ? JSON.parse(text) : undefined;
      if (path.startsWith("/api/") && path !== "/api/openapi.json" && method !== "HEAD") {
        assertDescribed(described, method, path, response.status, json);
      }
      return { status: response.status, headers: response.headers, text, json };
    },
    [Symbol.dispose]: () => {
      metrics[Symbol.dispose]();
    },
  };
}

/** Finds what the document says of an answer, and holds the answer to it. */
export function assertDescribed(
  document: OpenApiDocument,
  method: string,
  path: string,
  status: number,
  json: unknown,
): void {
  const asked = path.replace(/\?.*/, "");
  const entry = Object.entries(document.paths).find(([pattern]) =>
    new RegExp(`^${pattern.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(asked),
  );
  const operation = entry?.[1][method.toLowerCase()];
  const schema = operation
    ? operation.responses[String(status)]?.content?.["application/json"]?.schema
    : // What is not there answers with the same shape of an error.
      { $ref: "#/components/schemas/Error" };
  assert.ok(schema, `${method} ${path} answered ${status}, of which the document knows nothing`);
  const checked = jsonSchema(schema, document).safeParse(json);
  assert.ok(checked.success, `${method} ${path} ${status}: ${JSON.stringify(json)}\n${String(checked.error)}`);
}

/** A schema of the document with the components beside it, as zod reads JSON Schema. */
export function jsonSchema(schema: JsonObject, { components }: OpenApiDocument): z.ZodType {
  const text = JSON.stringify({ ...schema, $defs: components.schemas });
  return z.fromJSONSchema(JSON.parse(text.replaceAll("#/components/schemas/", "#/$defs/")) as never);
}
