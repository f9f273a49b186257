/**
 * The part of BigQuery's API that a load needs. Every call rejects at once when the signal is aborted, rejects with
 * ReplayportError otherwise, and is repeated once with a new token if the old one was refused.
 */
import { BigQuery } from "@google-cloud/bigquery";
import { unlessAborted } from "../../src/abort.ts";
import { ReplayportError } from "../../src/errors.ts";
import { openUpload, type Upload } from "./upload.ts";
import { tokensOf } from "./auth.ts";
import type { DatasetResource, JobResource, TableResource } from "./resources.ts";
import type { Identity, OpenTokens, TokenClient } from "./tokens.ts";
import { bigqueryError, httpStatus } from "./errors.ts";
import type { BigQueryRequest } from "./request.ts";
import type { BigQueryOptions } from "./options.ts";

const DEFAULT_ATTEMPTS = 4;
const REQUEST_MS = 60_000;

/** The part of the SDK that we use. Its promises resolve with arrays whose first item is the answer. */
interface Sdk {
  createJob(options: object): Promise<readonly [{ readonly metadata?: JobResource }, ...unknown[]]>;
  job(
    id: string,
    options: { location: string },
  ): {
    getMetadata(): Promise<readonly [JobResource, ...unknown[]]>;
    getQueryResults(options: object): Promise<readonly [readonly Record<string, unknown>[], ...unknown[]]>;
    cancel(): Promise<unknown>;
  };
  dataset(
    id: string,
    options: { projectId: string },
  ): {
    getMetadata(): Promise<readonly [DatasetResource, ...unknown[]]>;
    createTable(id: string, options: object): Promise<unknown>;
    getTables(
      options: object,
    ): Promise<
      readonly [readonly { readonly id?: string }[], { readonly pageToken?: string } | null | undefined, ...unknown[]]
    >;
    table(id: string): {
      getMetadata(): Promise<readonly [TableResource, ...unknown[]]>;
      testIamPermissions(
        permissions: readonly string[],
      ): Promise<readonly [{ readonly permissions?: readonly string[] }]>;
      delete(): Promise<unknown>;
    };
  };
}

interface Connection {
  readonly sdk: Sdk;
  readonly tokens: TokenClient;
}

export class Client {
  readonly endpoint: string | undefined;
  /** Runs the jobs and pays for them. */
  readonly project: string;
  readonly dataset: string;
  readonly #options: BigQueryOptions;
  readonly #open: OpenTokens;
  #connection: Promise<Connection> | undefined;
  #principal: string | undefined;
  #found: Promise<DatasetResource> | undefined;

  constructor(options: BigQueryOptions) {
    this.#options = options;
    this.#open = tokensOf(options.credentials ?? { type: "default" }, options.impersonate);
    this.endpoint = options.apiEndpoint ?? emulator();
    this.project = options.billingProject ?? options.project;
    this.dataset = options.dataset;
  }

  /** Read once, then cached. */
  async resource(signal: AbortSignal): Promise<DatasetResource> {
    const found = (this.#found ??= this.#call("bigquery.datasets.get", undefined, signal, async ({ sdk }) => {
      const [resource] = await this.#dataset(sdk).getMetadata();
      return resource;
    }));
    try {
      return await found;
    } catch (error) {
      if (this.#found === found) this.#found = undefined;
      // Another load may have started this request, and been aborted.
      if (signal.aborted || error instanceof ReplayportError) throw error;
      return await this.resource(signal);
    }
  }

  async location(signal: AbortSignal): Promise<string> {
    return (await this.resource(signal)).location ?? "US";
  }

  /** Undefined if there is no such table. */
  async table(table: string, signal: AbortSignal): Promise<TableResource | undefined> {
    const found = await this.#call("bigquery.tables.get", table, signal, async ({ sdk }) => {
      const answer = await unless(404, this.#dataset(sdk).table(table).getMetadata());
      return answer?.[0];
    });
    if (found) return found;
    // Without its dataset there is no table either, and that is an error.
    this.#found = undefined;
    await this.resource(signal);
    return undefined;
  }

  /** The permissions that are missing on an existing table. */
  async lacking(table: string, permissions: readonly string[], signal: AbortSignal): Promise<string[]> {
    return await this.#call("bigquery.tables.get", table, signal, async ({ sdk }) => {
      const [{ permissions: granted = [] }] = await this.#dataset(sdk).table(table).testIamPermissions(permissions);
      return permissions.filter((permission) => !granted.includes(permission));
    });
  }

  /** Does nothing if the table exists. */
  async createTable(table: string, resource: object, signal: AbortSignal): Promise<void> {
    await this.#call("bigquery.tables.create", undefined, signal, async ({ sdk }) => {
      await unless(409, this.#dataset(sdk).createTable(table, resource));
    });
  }

  async dropTable(table: string, signal: AbortSignal): Promise<void> {
    await this.#call("bigquery.tables.delete", table, signal, async ({ sdk }) => {
      await unless(404, this.#dataset(sdk).table(table).delete());
    });
  }

  /** The API can't filter by name, so this lists the dataset: one request per thousand tables, free of charge. */
  async tablesWith(prefix: string, signal: AbortSignal): Promise<string[]> {
    const found: string[] = [];
    let pageToken: string | undefined;
    do {
      const options = { autoPaginate: false, maxResults: 1000, ...(pageToken === undefined ? {} : { pageToken }) };
      const [tables, next] = await this.#call("bigquery.tables.list", undefined, signal, ({ sdk }) =>
        this.#dataset(sdk).getTables(options),
      );
      for (const { id = "" } of tables) if (id.startsWith(prefix)) found.push(id);
      pageToken = next?.pageToken;
    } while (pageToken !== undefined);
    return found;
  }

  /** `exists`: the id was used before. Resolves with a job even if it failed at once. */
  async insertJob(jobId: string, configuration: object, signal: AbortSignal): Promise<JobResource | "exists"> {
    const location = await this.location(signal);
    return await this.#call("bigquery.jobs.create", undefined, signal, async ({ sdk }) => {
      try {
        const [job] = await sdk.createJob({ jobId, location, configuration });
        return job.metadata ?? {};
      } catch (error) {
        const answer = (error as { response?: JobResource }).response;
        if (answer?.jobReference && answer.status?.state === "DONE") return answer;
        if (httpStatus(error) === 409) return "exists";
        throw error;
      }
    });
  }

  /** Sends a local file together with its load job; see upload.ts. */
  async upload(upload: Omit<Upload, "project" | "endpoint" | "location" | "request">, signal: AbortSignal) {
    const location = await this.location(signal);
    const { project } = this;
    const endpoint = this.endpoint ?? "https://bigquery.googleapis.com";
    return await this.#call("bigquery.jobs.create", undefined, signal, ({ tokens }) =>
      openUpload(
        { ...upload, project, endpoint, location, request: this.request("bigquery.jobs.create") },
        tokens,
        signal,
      ),
    );
  }

  /** Undefined if there is no such job. */
  async job(jobId: string, signal: AbortSignal): Promise<JobResource | undefined> {
    const location = await this.location(signal);
    return await this.#call("bigquery.jobs.get", undefined, signal, async ({ sdk }) => {
      const found = await unless(404, sdk.job(jobId, { location }).getMetadata());
      return found?.[0];
    });
  }

  /** The rows that a finished job selected. Our queries select plain numbers and strings only. */
  async rows(jobId: string, signal: AbortSignal): Promise<readonly Record<string, unknown>[]> {
    const location = await this.location(signal);
    return await this.#call("bigquery.tables.getData", undefined, signal, async ({ sdk }) => {
      const [rows] = await sdk.job(jobId, { location }).getQueryResults({ autoPaginate: true });
      return rows;
    });
  }

  async cancel(jobId: string, signal: AbortSignal): Promise<void> {
    const location = await this.location(signal);
    await this.#call("bigquery.jobs.update", undefined, signal, ({ sdk }) => sdk.job(jobId, { location }).cancel());
  }

  /** @param table for a permission on one table */
  request(action: string, table?: string): BigQueryRequest {
    const principal = this.#principal ?? this.#options.impersonate?.serviceAccount;
    const { project, billingProject: billing, dataset } = this.#options;
    return { action, resource: { project, billing, dataset, table }, endpoint: this.endpoint, principal };
  }

  #dataset(sdk: Sdk): ReturnType<Sdk["dataset"]> {
    return sdk.dataset(this.dataset, { projectId: this.#options.project });
  }

  async #call<Answer>(
    action: string,
    table: string | undefined,
    signal: AbortSignal,
    work: (connection: Connection) => Promise<Answer>,
  ): Promise<Answer> {
    signal.throwIfAborted();
    try {
      try {
        return await unlessAborted(this.#connected().then(work), signal);
      } catch (error) {
        // The SDK refreshes a token before it expires, but not when one is refused.
        if (httpStatus(error) !== 401 || signal.aborted) throw error;
        this.#connection = undefined;
        return await unlessAborted(this.#connected().then(work), signal);
      }
    } catch (error) {
      throw bigqueryError(error, this.request(action, table), signal);
    }
  }

  #connected(): Promise<Connection> {
    if (this.#connection) return this.#connection;
    const opening = this.#open().then(({ client, principal }: Identity) => {
      this.#principal = principal;
      return { tokens: client, sdk: this.#sdk(client) };
    });
    this.#connection = opening;
    // The next call tries again.
    opening.catch(() => {
      if (this.#connection === opening) this.#connection = undefined;
    });
    return opening;
  }

  #sdk(tokens: TokenClient): Sdk {
    const { maxAttempts = DEFAULT_ATTEMPTS } = this.#options;
    const options = {
      projectId: this.project,
      authClient: tokens,
      timeout: REQUEST_MS,
      userAgent: "replayport",
      retryOptions: { autoRetry: maxAttempts > 1, maxRetries: maxAttempts - 1, maxRetryDelay: 16, totalTimeout: 120 },
      ...(this.endpoint === undefined ? {} : { apiEndpoint: this.endpoint }),
    };
    const sdk = new BigQuery(options as unknown as ConstructorParameters<typeof BigQuery>[0]);
    // If BIGQUERY_EMULATOR_HOST is set, the SDK uses it whatever its options say, and without the API's path.
    if (this.endpoint !== undefined) sdk.baseUrl = `${this.endpoint}/bigquery/v2`;
    return sdk as unknown as Sdk;
  }
}

/** What `work` resolves with; undefined if it's answered with this status. */
async function unless<Answer>(status: number, work: Promise<Answer>): Promise<Answer | undefined> {
  return await work.catch((error: unknown) => {
    if (httpStatus(error) === status) return undefined;
    throw error;
  });
}

/** BIGQUERY_EMULATOR_HOST, as Google's clients read it: with or without the scheme and the API's path. */
function emulator(): string | undefined {
  const host = process.env["BIGQUERY_EMULATOR_HOST"];
  if (host === undefined || host === "") return undefined;
  return (/^https?:\/\//.test(host) ? host : `http://${host}`).replace(/\/+$/, "").replace(/\/bigquery\/v2$/, "");
}
