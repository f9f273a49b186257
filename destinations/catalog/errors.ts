/** What a catalog's error means, and what the operator does about it. */
import { type Classification, giveUp, ReplayportError, retry } from "../../src/errors.ts";
import type { Reply } from "./request.ts";

/**
 * @param what was tried, after "Can't": `load table posthog.session_replays`
 * @param name the catalog's address
 */
export function catalogError(reply: Reply, what: string, name: string): ReplayportError {
  const said = [reply.status, reply.type, reply.message].filter((part) => part !== undefined && part !== "").join(" ");
  return new ReplayportError(`Can't ${what} in the catalog ${name}: ${said}`, {
    ...classify(reply, what),
    ...(reply.retryAfterMs === undefined ? {} : { retryAfterMs: reply.retryAfterMs }),
  });
}

/** Something else answers. @param name its address */
export function notTheProtocol(name: string): ReplayportError {
  return new ReplayportError(
    `${name} answers, but not as an Iceberg REST catalog`,
    giveUp("catalog.no_catalog", "Set `uri` to the catalog's address without `/v1`, as its documentation gives it."),
  );
}

/** Whether the answer says that the table or its namespace doesn't exist, rather than the path. */
export function missing({ status, type }: Reply): boolean {
  return status === 404 && type !== undefined && /NoSuch(Table|Namespace)|NotFound/i.test(type);
}

/** Something answers, but not as a catalog does. */
export function noCatalog(): Classification {
  const hint = "Set `uri` to the catalog's address without `/v1`, as its documentation gives it.";
  return giveUp("catalog.no_catalog", hint);
}

function classify({ status, type = "" }: Reply, what: string): Classification {
  // AWS says by its type what others say by the status.
  if (status === 403 || /AccessDenied|Forbidden/i.test(type))
    return giveUp("catalog.access_denied", `Grant the permission to ${what} to the credentials of this catalog.`);
  if (status === 401 || status === 419)
    return giveUp("catalog.unauthorized", "Check the credentials of this catalog, and that they haven't expired.");
  if (/NoSuchNamespace/i.test(type))
    return giveUp("catalog.no_namespace", "Create the namespace, or correct `namespace`.");
  if (/NoSuchTable/i.test(type)) return giveUp("catalog.no_table", "The table was dropped in the meantime. Try again.");
  if (status === 404)
    return giveUp("catalog.not_found", "Check `uri` and `warehouse`, as the catalog's documentation gives them.");
  if (status === 409) return retry("catalog.conflict", "Somebody else changed it at the same time.");
  if (status === 429 || /Throttl|TooManyRequests/i.test(type))
    return retry("catalog.busy", "The catalog limits the rate of requests. Load less often.");
  if (status === 408 || status === 425 || status >= 500)
    return retry("catalog.unavailable", "The catalog is busy or down. Its own log says more.");
  if (status < 300) return noCatalog();
  if (status < 400) return giveUp("catalog.redirected", "Set `uri` to the address that it redirects to.");
  if (status === 406 || status === 501)
    return giveUp("catalog.not_supported", `This catalog can't ${what}. Use another one.`);
  return giveUp("catalog.rejected", "The catalog refuses the request. Its message says why.");
}
