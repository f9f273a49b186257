/** SQL over ClickHouse's HTTP interface, for what a source can't do: create tables, and query like a BI tool. */
import { giveUp, messageOf, ReplayportError } from "../errors.ts";

export interface EngineSql {
  run(statement: string, signal: AbortSignal): Promise<void>;
  /** Numbers of any size come as numbers. */
  rows<Row>(query: string, signal: AbortSignal): Promise<Row[]>;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export function engineSql(url: string, { username, password }: Credentials): EngineSql {
  const address = `${url}/?default_format=JSONEachRow&output_format_json_quote_64bit_integers=0&session_timezone=UTC`;
  const headers = { "X-ClickHouse-User": username, "X-ClickHouse-Key": password };
  const ask = async (body: string, signal: AbortSignal): Promise<string> => {
    let response: Response;
    try {
      // A redirect could lead anywhere, and the password would go along.
      response = await fetch(address, { method: "POST", headers, body, signal, redirect: "manual" });
    } catch (cause) {
      signal.throwIfAborted();
      throw failed(`ClickHouse does not answer: ${messageOf(cause)}`, cause);
    }
    const text = await response.text();
    if (!response.ok) throw failed(`ClickHouse answered HTTP ${response.status}: ${text.trim()}`);
    return text;
  };
  return {
    run: async (statement, signal) => {
      await ask(statement, signal);
    },
    rows: async <Row>(query: string, signal: AbortSignal) =>
      (await ask(query, signal))
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Row),
  };
}

function failed(message: string, cause?: unknown): ReplayportError {
  return new ReplayportError(message, {
    ...giveUp("demo.engine", "Delete the demo's folder and run it again. If the error stays, please report it."),
    cause,
  });
}
