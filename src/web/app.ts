/** The HTTP side as one Hono app: middleware, routes, error handler. */
import type { HttpBindings } from "@hono/node-server";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { matchedRoutes } from "hono/route";
import { secureHeaders } from "hono/secure-headers";
import type { Fleet } from "../fleet/fleet.ts";
import type { Wait } from "../retry.ts";
import { addActions } from "./actions.ts";
import { Auth, type AuthOptions, FORMS } from "./auth.ts";
import { addDashboard, askForToken } from "./dashboard.ts";
import { answerError, errorBody, invalidRequest } from "./errors.ts";
import { addExportPages } from "./export_pages.ts";
import { Guesses, type WrongTokens } from "./guesses.ts";
import { addHealth } from "./health.ts";
import { Histories } from "./histories.ts";
import { printableTexts } from "./json.ts";
import type { Metrics } from "./metrics.ts";
import { addOpenApi } from "./openapi.ts";
import { errorPage } from "./page/form_pages.ts";
import { SCRIPT_HASH, STYLE_HASH } from "./page/static.ts";
import { addBackfills } from "./routes/backfills.ts";
import { addExports } from "./routes/exports.ts";
import { addRuns } from "./routes/runs.ts";
import type { ErrorBody } from "./schemas.ts";
import { isPage, rootOf, visitorOf } from "./visitor.ts";

/** The largest request, for a backfill, takes a few hundred bytes. */
const BODY_BYTES = 64 * 1024;
/** Below Prometheus' default timeout of 10 seconds. */
const METRICS_MS = 8_000;

export interface AppDependencies {
  readonly fleet: Fleet;
  readonly metrics: Metrics;
  readonly now: () => Date;
  /** Removes secrets from a text. */
  readonly redact: (text: string) => string;
  /** Gets errors that aren't ours; the client gets a 500 without details. */
  readonly onUnexpected: (error: unknown) => void;
  /** Gets wrong tokens, once a minute at most. */
  readonly onWrongTokens: (wrong: WrongTokens) => void;
  /** Waits before a wrong token is answered. */
  readonly wait: Wait;
  /** Aborted when the server begins to close and accepts no new work. */
  readonly closing: AbortSignal;
  /** Aborted when it stops waiting for running requests. */
  readonly ending: AbortSignal;
}

export function createApp(options: AuthOptions, dependencies: AppDependencies): OpenAPIHono {
  const { fleet, metrics, closing, ending, now, redact, onUnexpected, onWrongTokens, wait } = dependencies;
  const guesses = new Guesses(onWrongTokens, now, wait);
  const onWrong = async (at: WrongTokens["at"], c: Context): Promise<void> => {
    metrics.onWrongToken(at);
    await guesses.wrong(at, addressOf(c), AbortSignal.any([c.req.raw.signal, ending]));
  };
  const auth = new Auth(options, { fleet, now, onWrong });
  const app = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.target, result.error);
    },
  });

  app.use(async (c, next) => {
    const began = performance.now();
    await next();
    // The route's pattern, never the path: requests for random paths must not fill the registry.
    const route = matchedRoutes(c).findLast(({ path }) => path !== "/*")?.path ?? "other";
    const method = /^(?:GET|HEAD|POST)$/.test(c.req.method) ? c.req.method : "other";
    metrics.onRequest(method, route, c.res.status, (performance.now() - began) / 1000);
  });
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        styleSrc: [STYLE_HASH],
        scriptSrc: [SCRIPT_HASH, "'self'"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
      },
      xFrameOptions: "DENY",
      // TLS is up to a proxy, and so is this header.
      strictTransportSecurity: false,
    }),
  );
  app.use(async (c, next) => {
    c.header("Cache-Control", "no-store");
    await next();
    // Otherwise the connection would stay open and keep the server from closing.
    if (closing.aborted) c.header("Connection", "close");
  });
  app.use(auth.guard(async (c) => (isPage(c.req.path) ? await askForToken(c, 401) : undefined)));
  const tooLarge = (): never => {
    throw new HTTPException(413);
  };
  app.use(bodyLimit({ maxSize: BODY_BYTES, onError: tooLarge }));
  for (const path of FORMS) app.use(path, auth.guardForms());

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
  addDashboard(app, { fleet, auth, ending, now, redact, onWrong });
  const pages = { fleet, auth, ending, now, redact, histories: new Histories(fleet, ending) };
  addExportPages(app, pages);
  addActions(app, pages);

  app.notFound((c) => {
    const methods = methodsOf(app, c.req.path);
    if (methods.length > 0) {
      c.header("Allow", methods.join(", "));
      const message = `${c.req.path} doesn't support ${c.req.method}`;
      return c.json(errorBody("http.method", message, `Use ${methods.join(" or ")}.`), 405);
    }
    const hint = "The dashboard is at /, the API is described at /api/openapi.json.";
    return c.json(errorBody("http.unknown", "there is nothing at this path", hint), 404);
  });
  app.onError(async (error, c) => {
    const answer = answerError(error, c, redact, onUnexpected);
    if (!isPage(c.req.path)) return answer;
    const body = printableTexts((await answer.json()) as ErrorBody);
    return await c.html(errorPage(body, rootOf(c.req.path), now(), await visitorOf(c, auth)), answer.status as 500);
  });
  return app;
}

/** Undefined without a socket, as in tests. */
function addressOf(c: Context): string | undefined {
  return (c.env as Partial<HttpBindings> | undefined)?.incoming?.socket.remoteAddress;
}

/** The methods that a path supports. Middleware is registered for ALL. */
function methodsOf(app: OpenAPIHono, path: string): string[] {
  const takes = (method: string): boolean =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method !== "ALL");
  return [...(takes("GET") ? ["GET", "HEAD"] : []), ...(takes("POST") ? ["POST"] : [])];
}
