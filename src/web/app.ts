/** The HTTP side as one Hono app: what is before every route, the routes, and what answers when they throw. */
import { OpenAPIHono } from "@hono/zod-openapi";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { matchedRoutes } from "hono/route";
import { secureHeaders } from "hono/secure-headers";
import type { Fleet } from "../fleet/fleet.ts";
import { Auth, type AuthOptions } from "./auth.ts";
import { addDashboard, askForToken } from "./dashboard.ts";
import { answerError, errorBody, invalidRequest } from "./errors.ts";
import { addHealth } from "./health.ts";
import type { Metrics } from "./metrics.ts";
import { addOpenApi } from "./openapi.ts";
import { STYLE_HASH } from "./page/style.ts";
import { addBackfills } from "./routes/backfills.ts";
import { addExports } from "./routes/exports.ts";
import { addRuns } from "./routes/runs.ts";

/** A request for a backfill takes a few hundred bytes. */
const BODY_BYTES = 64 * 1024;
/** Below the 10 seconds after which Prometheus gives up by default. */
const METRICS_MS = 8_000;

export interface AppDependencies {
  readonly fleet: Fleet;
  readonly metrics: Metrics;
  readonly now: () => Date;
  /** Takes secrets out of a text. */
  readonly redact: (text: string) => string;
  /** An error that nobody foresaw. */
  readonly onUnexpected: (error: unknown) => void;
  /** Aborted when the server begins to close: nothing new is begun. */
  readonly closing: AbortSignal;
  /** Aborted when it no longer waits for what is under way. */
  readonly ending: AbortSignal;
}

export function createApp(options: AuthOptions, dependencies: AppDependencies): OpenAPIHono {
  const { fleet, metrics, closing, ending, now, redact, onUnexpected } = dependencies;
  const auth = new Auth(options, now);
  const app = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.target, result.error);
    },
  });

  app.use(async (c, next) => {
    const began = performance.now();
    await next();
    // The route's pattern, never the path: who asks for random paths must not fill the registry.
    const route = matchedRoutes(c).findLast(({ path }) => path !== "/*")?.path ?? "other";
    const method = /^(?:GET|HEAD|POST)$/.test(c.req.method) ? c.req.method : "other";
    metrics.onRequest(method, route, c.res.status, (performance.now() - began) / 1000);
  });
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        styleSrc: [STYLE_HASH],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
      },
      xFrameOptions: "DENY",
      // TLS is the work of a proxy, and so is what it promises of it.
      strictTransportSecurity: false,
    }),
  );
  app.use(async (c, next) => {
    c.header("Cache-Control", "no-store");
    await next();
    // Else the connection stays, and the server with it.
    if (closing.aborted) c.header("Connection", "close");
  });
  app.use(auth.guard(async (c) => (c.req.path === "/" ? await askForToken(c, 401) : undefined)));
  app.use(
    bodyLimit({
      maxSize: BODY_BYTES,
      onError: () => {
        throw new HTTPException(413);
      },
    }),
  );

  addHealth(app, fleet, closing);
  app.get("/metrics", async (c) => {
    const signal = AbortSignal.any([ending, AbortSignal.timeout(METRICS_MS)]);
    return c.text(await metrics.text(signal), 200, { "Content-Type": metrics.contentType });
  });
  const routes = { app, fleet, ending };
  addExports(routes);
  addRuns(routes);
  addBackfills(routes);
  addOpenApi(app);
  addDashboard(app, { fleet, auth, ending, now, redact });

  app.notFound((c) => {
    const methods = methodsOf(app, c.req.path);
    if (methods.length > 0) {
      c.header("Allow", methods.join(", "));
      const message = `${c.req.path} does not take ${c.req.method}`;
      return c.json(errorBody("http.method", message, `It takes ${methods.join(", ")}.`), 405);
    }
    const hint = "The dashboard is at /, the API is described at /api/openapi.json.";
    return c.json(errorBody("http.unknown", "there is nothing at this address", hint), 404);
  });
  app.onError((error, c) => answerError(error, c, redact, onUnexpected));
  return app;
}

/** What is there at a path, whatever it was asked with. What is before every route is of the method ALL. */
function methodsOf(app: OpenAPIHono, path: string): string[] {
  const takes = (method: string): boolean =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method !== "ALL");
  return [...(takes("GET") ? ["GET", "HEAD"] : []), ...(takes("POST") ? ["POST"] : [])];
}
