/**
 * Stands between the client and bqemulator and makes good what the emulator lacks and loads depend on:
 *
 * - a job's id is taken once (409 the second time), also for uploads, whose ids the emulator replaces by its own;
 * - a job runs after the answer to its insertion, and is RUNNING until it is DONE;
 * - jobs run one after the other, since the emulator's transactions do not see each other's tables apart;
 * - `outputRows` of a load job counts its own rows, and not those of the table;
 * - gzipped text, and CSV's null marker, are read; a load into a table that is gone fails as BigQuery says it;
 * - ALTER TABLE with several ADD COLUMN;
 * - a table tells its JSON columns, those that ALTER TABLE has added, and how it is partitioned;
 * - JSON_VALUE_ARRAY unescapes what stands in a text;
 * - permissions on a table can be asked for.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

interface Job {
  jobReference: { projectId: string; jobId: string };
  configuration: Configuration;
  status: { state: string; errorResult?: object; errors?: object[] };
  statistics?: { load?: { outputRows?: string } };
}

interface Configuration {
  query?: { query: string; [option: string]: unknown };
  load?: {
    destinationTable: { projectId: string; datasetId: string; tableId: string };
    sourceFormat: string;
    nullMarker?: string;
  };
  labels?: Record<string, string>;
}

interface Insertion {
  readonly jobReference?: { readonly jobId?: string; readonly projectId?: string };
  readonly configuration: Configuration;
}

interface Session {
  readonly project: string;
  readonly insertion: Insertion;
  readonly total: number;
  bytes: Buffer;
}

export interface BigQueryLayer extends AsyncDisposable {
  readonly url: string;
  /** Jobs by id, as they were asked for. */
  readonly jobs: ReadonlyMap<string, { readonly configuration: Configuration }>;
  /** Awaited before each job is run: for tests that look at a job while it runs. */
  beforeJob: (jobId: string) => Promise<void>;
  /** What CURRENT_TIMESTAMP() gives, for stories with a clock of their own. */
  clock: (() => Date) | undefined;
  /** Permissions that nobody has on any table, as far as one asks for them. */
  readonly denied: Set<string>;
  /** Called from within `beforeJob`: what is begun here has its jobs run before the one that is held. */
  overtake(work: () => Promise<void>): void;
  /** Resolves when what was begun by `overtake` has ended. */
  overtaken(): Promise<void>;
  /** Resolves when no job runs or waits. */
  idle(): Promise<void>;
}

export async function openBigQueryLayer(target: string): Promise<BigQueryLayer> {
  const jobs = new Map<string, Job & { emulatorId: string }>();
  const sessions = new Map<string, Session>();
  let queue: Promise<unknown> = Promise.resolve();
  let overtaking: Promise<void> = Promise.resolve();
  let sessionCount = 0;
  const layer = {
    beforeJob: (_: string) => Promise.resolve(),
    clock: undefined as (() => Date) | undefined,
    denied: new Set<string>(),
  };

  const ask = async (path: string, body?: object): Promise<{ status: number; answer: unknown }> => {
    const init = body
      ? { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } }
      : {};
    const response = await fetch(target + path, init);
    return { status: response.status, answer: await response.json() };
  };
  const query = async (project: string, jobId: string, configuration: Configuration): Promise<Job> => {
    const jobReference = { projectId: project, jobId };
    const { status, answer } = await ask(`/bigquery/v2/projects/${project}/jobs`, { jobReference, configuration });
    return status === 200 ? (answer as Job) : failedJob(jobReference, configuration, answer);
  };
  const countRows = async (project: string, table: string): Promise<number> => {
    const { answer } = await ask(`/bigquery/v2/projects/${project}/queries`, {
      query: `SELECT COUNT(*) FROM ${table}`,
      useLegacySql: false,
    });
    return Number((answer as { rows?: { f: { v: string }[] }[] }).rows?.[0]?.f[0]?.v ?? Number.NaN);
  };

  /** What DDL has declared, by table. */
  const partitions = new Map<string, object>();
  const declared = new Map<string, Map<string, { name: string; type: string; mode: string }>>();
  const remember = (sql: string): void => {
    const table = /^(?:CREATE TABLE IF NOT EXISTS|ALTER TABLE) `([^`]+)`/.exec(sql)?.[1];
    if (table === undefined) return;
    const columns = declared.get(table) ?? new Map<string, { name: string; type: string; mode: string }>();
    for (const [, name = "", array, type = "", required] of sql.matchAll(
      /^ {2}(?:ADD COLUMN IF NOT EXISTS )?`(\w+)` (ARRAY<)?(\w+)>?( NOT NULL)?/gm,
    )) {
      const mode = array === undefined ? (required === undefined ? "NULLABLE" : "REQUIRED") : "REPEATED";
      columns.set(name, { name, type, mode });
    }
    const [, field, type] = /^PARTITION BY TIMESTAMP_TRUNC\(`(\w+)`, (\w+)\)$/m.exec(sql) ?? [];
    if (field !== undefined && type !== undefined) partitions.set(table, { type, field });
    declared.set(table, columns);
  };
  const corrected = (table: string, text: string): string => {
    const columns = declared.get(table);
    const resource = JSON.parse(text) as { schema?: { fields: { name: string }[] }; timePartitioning?: object };
    if (!columns || !resource.schema) return text;
    const partition = partitions.get(table);
    if (partition) resource.timePartitioning = partition;
    const { fields } = resource.schema;
    const known = new Set(fields.map(({ name }) => name));
    resource.schema.fields = [
      ...fields.map((field) => columns.get(field.name) ?? field),
      ...[...columns.values()].filter(({ name }) => !known.has(name)),
    ];
    return JSON.stringify(resource);
  };

  const adapted = (sql: string): string => {
    const unescaped = sql.replaceAll(
      /JSON_VALUE_ARRAY\((`\w+`)\)/g,
      "ARRAY(SELECT JSON_VALUE(part) FROM UNNEST(JSON_QUERY_ARRAY($1)) AS part)",
    );
    if (!layer.clock) return unescaped;
    return unescaped.replaceAll("CURRENT_TIMESTAMP()", `TIMESTAMP '${layer.clock().toISOString()}'`);
  };

  const runQuery = async (project: string, jobId: string, configuration: Configuration): Promise<Job> => {
    const sql = configuration.query?.query ?? "";
    const parts = sql.startsWith("ALTER TABLE") ? sql.split(/,\n(?= {2}ADD COLUMN)/) : [sql];
    const head = sql.split("\n")[0] ?? "";
    let job: Job | undefined;
    for (const [index, part] of parts.entries()) {
      const text = adapted(index === 0 ? part : `${head}\n${part}`);
      const own = { ...configuration, query: { ...configuration.query, query: text } };
      job = await query(project, index === 0 ? jobId : `${jobId}_${index}`, own);
    }
    if (!job) throw new Error("no statement");
    if (job.status.errorResult === undefined) remember(sql);
    return job;
  };

  const runLoad = async (project: string, jobId: string, configuration: Configuration, given: Buffer): Promise<Job> => {
    const load = configuration.load;
    if (!load) throw new Error("not a load job");
    let bytes = given[0] === 0x1f && given[1] === 0x8b ? gunzipSync(given) : given;
    if (load.nullMarker !== undefined && load.sourceFormat === "CSV") {
      bytes = Buffer.from(bytes.toString("utf8").replaceAll(/(^|,)\\N(?=,|$)/gm, "$1"));
    }
    const { projectId, datasetId, tableId } = load.destinationTable;
    const table = `\`${projectId}.${datasetId}.${tableId}\``;
    const before = await countRows(project, table);
    if (Number.isNaN(before)) {
      const message = `Not found: Table ${projectId}:${datasetId}.${tableId}`;
      return failedJob({ projectId: project, jobId }, configuration, apiError(404, "notFound", message));
    }
    const boundary = "replayport-test-boundary";
    const body = Buffer.concat([
      Buffer.from(`--${boundary}\r\nContent-Type: application/json\r\n\r\n${JSON.stringify({ configuration })}\r\n`),
      Buffer.from(
        `--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n`,
      ),
      Buffer.from(bytes.toString("base64").replaceAll(/.{76}/g, "$&\r\n")),
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]);
    const response = await fetch(`${target}/upload/bigquery/v2/projects/${project}/jobs?uploadType=multipart`, {
      method: "POST",
      body,
      headers: { "content-type": `multipart/related; boundary=${boundary}` },
    });
    const answer: unknown = await response.json();
    const jobReference = { projectId: project, jobId };
    if (response.status !== 200) return failedJob(jobReference, configuration, answer);
    const job = answer as Job;
    const outputRows = String((await countRows(project, table)) - before);
    return { ...job, ...(job.status.errorResult ? {} : { statistics: { ...job.statistics, load: { outputRows } } }) };
  };

  /** Answers 409, or runs the job in its turn and answers that it runs. */
  const insert = (project: string, { jobReference, configuration }: Insertion, file?: Buffer): [number, object] => {
    const jobId = jobReference?.jobId ?? `unnamed_${jobs.size}`;
    if (jobs.has(jobId)) return [409, apiError(409, "duplicate", `Already Exists: Job ${project}:US.${jobId}`)];
    const running: Job = {
      jobReference: { projectId: project, jobId },
      configuration,
      status: { state: "RUNNING" },
    };
    jobs.set(jobId, { ...running, emulatorId: jobId });
    const run = async (): Promise<void> => {
      await layer.beforeJob(jobId);
      const done = file
        ? await runLoad(project, jobId, configuration, file)
        : await runQuery(project, jobId, configuration);
      jobs.set(jobId, {
        ...done,
        configuration,
        emulatorId: done.jobReference.jobId,
        jobReference: running.jobReference,
      });
    };
    queue = queue.then(run).catch((error: unknown) => {
      const failure = apiError(500, "internalError", String(error));
      jobs.set(jobId, { ...failedJob(running.jobReference, configuration, failure), emulatorId: jobId });
    });
    return [200, running];
  };

  const handle = async (incoming: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const body = await readAll(incoming);
    const url = new URL(incoming.url ?? "/", "http://layer");
    const project = /\/projects\/([^/]+)/.exec(url.pathname)?.[1] ?? "";
    const upload = url.pathname.startsWith("/upload/");
    if (upload && incoming.method === "POST") {
      const id = `session-${(sessionCount += 1)}`;
      const insertion = JSON.parse(body.toString("utf8")) as Insertion;
      sessions.set(id, {
        project,
        insertion,
        total: Number(incoming.headers["x-upload-content-length"]),
        bytes: Buffer.alloc(0),
      });
      const location = `http://${incoming.headers.host}${url.pathname}?uploadType=resumable&upload_id=${id}`;
      answer.writeHead(200, { location }).end();
      return;
    }
    if (upload && incoming.method === "PUT") {
      const session = sessions.get(url.searchParams.get("upload_id") ?? "");
      if (!session) {
        send(answer, 404, apiError(404, "notFound", "no such upload"));
        return;
      }
      const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(incoming.headers["content-range"] ?? "");
      if (range && Number(range[1]) === session.bytes.length) session.bytes = Buffer.concat([session.bytes, body]);
      if (session.bytes.length < session.total) {
        const received = session.bytes.length > 0 ? { range: `bytes=0-${session.bytes.length - 1}` } : {};
        answer.writeHead(308, received).end();
        return;
      }
      sessions.delete(url.searchParams.get("upload_id") ?? "");
      send(answer, ...insert(session.project, session.insertion, session.bytes));
      return;
    }
    if (incoming.method === "POST" && url.pathname.endsWith("/jobs")) {
      send(answer, ...insert(project, JSON.parse(body.toString("utf8")) as Insertion));
      return;
    }
    const [, kind, id = ""] = /\/(jobs|queries)\/([^/]+)/.exec(url.pathname) ?? [];
    const job = jobs.get(decodeURIComponent(id));
    if (kind === "jobs" && incoming.method === "GET") {
      if (job) send(answer, 200, job);
      else send(answer, 404, apiError(404, "notFound", `Not found: Job ${project}:${id}`));
      return;
    }
    if (kind === "jobs" && incoming.method === "POST") {
      send(answer, 200, { kind: "bigquery#jobCancelResponse", job });
      return;
    }
    if (url.pathname.endsWith(":testIamPermissions")) {
      const { permissions } = JSON.parse(body.toString("utf8")) as { permissions: string[] };
      send(answer, 200, { permissions: permissions.filter((one) => !layer.denied.has(one)) });
      return;
    }
    const response = await fetch(target + (incoming.url ?? "/"), {
      method: incoming.method ?? "GET",
      headers: { "content-type": "application/json" },
      ...(body.length > 0 ? { body: new Uint8Array(body) } : {}),
    });
    const table = /^\/bigquery\/v2\/projects\/([^/]+)\/datasets\/([^/]+)\/tables\/([^/?]+)$/.exec(url.pathname);
    const reads = table !== null && incoming.method === "GET" && response.ok;
    const given = await response.text();
    const text = reads ? corrected(table.slice(1).join("."), given) : given;
    const type = response.headers.get("content-type");
    answer.writeHead(response.status, type === null ? {} : { "content-type": type }).end(text);
  };

  const server = createServer((incoming, answer) => {
    handle(incoming, answer).catch(() => incoming.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  server.unref();
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return Object.assign(layer, {
    url: `http://127.0.0.1:${port}`,
    jobs,
    overtake: (work: () => Promise<void>) => {
      // A queue of its own, behind which the held job is not.
      queue = Promise.resolve();
      overtaking = work();
      overtaking.catch(() => undefined);
    },
    overtaken: () => overtaking,
    idle: async () => {
      await queue;
    },
    async [Symbol.asyncDispose]() {
      await queue;
      server.close();
      server.closeAllConnections();
    },
  });
}

function send(answer: ServerResponse, status: number, body: object): void {
  answer.writeHead(status, { "content-type": "application/json; charset=UTF-8" }).end(JSON.stringify(body));
}

export function apiError(code: number, reason: string, message: string): object {
  return { error: { code, message, errors: [{ domain: "global", reason, message }] } };
}

function failedJob(jobReference: Job["jobReference"], configuration: Configuration, answer: unknown): Job {
  const { error } = answer as { error?: { errors?: { reason: string; message: string }[]; message?: string } };
  const errorResult = error?.errors?.[0] ?? { reason: "internalError", message: error?.message ?? "no answer" };
  return { jobReference, configuration, status: { state: "DONE", errorResult, errors: [errorResult] } };
}

async function readAll(incoming: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of incoming as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}
