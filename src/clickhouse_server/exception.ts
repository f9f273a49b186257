import { messageOf } from "../errors.ts";

/** An error as ClickHouse reports it: a number that clients match on, its name, and a text. */
export class ServerException extends Error {
  override readonly name = "ServerException";
  readonly code: number;
  readonly codeName: string;

  constructor(code: number, codeName: string, message: string) {
    super(message);
    this.code = code;
    this.codeName = codeName;
  }

  /** The body of the HTTP answer, in the form that ClickHouse's clients parse. */
  body(version: string): string {
    return `Code: ${this.code}. DB::Exception: ${this.message} (${this.codeName}) (version ${version} (embedded))\n`;
  }

  /** ClickHouse's HTTP status for this code. */
  get status(): number {
    return STATUSES.find(([, codes]) => codes.includes(this.code))?.[0] ?? 500;
  }
}

export function syntaxError(message: string): ServerException {
  return new ServerException(62, "SYNTAX_ERROR", message);
}

/**
 * Unwraps what the engine threw. Errors while a file is read or written come as
 * `Code: 27. DB::Exception: Code: 27. DB::Exception: text. (NAME) (version 26.7.2.1). (NAME)`.
 */
export function fromEngine(thrown: unknown): ServerException {
  let text = messageOf(thrown).trim();
  let code = 1002;
  let name = "UNKNOWN_EXCEPTION";
  for (let found = WRAPPED.exec(text); found; found = WRAPPED.exec(text)) {
    code = Number(found[1]);
    name = found[3] ?? name;
    text = (found[2] ?? "").trim();
  }
  // What `file()` runs into in a confined engine (confinement.ts).
  if (text.includes("call to getcwd failed")) {
    return new ServerException(497, "ACCESS_DENIED", "Files are outside of the data directory, and not allowed here.");
  }
  return new ServerException(code, name, text);
}

const WRAPPED = /^Code: (\d+)\. DB::Exception: ([^]*?)(?:\s\(([A-Z][A-Z0-9_]+)\))?(?:\s\(version [^)]*\)\.?)?$/;

// Source: ClickHouse, src/Server/HTTP/exceptionCodeToHTTPStatus.cpp; the numbers from errorCodeToName(). Any other code gets 500.
const STATUSES: readonly (readonly [status: number, codes: readonly number[]])[] = [
  [400, [6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676]],
  [401, [194]],
  [403, [192, 193, 497, 512, 516]],
  [404, [46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 372, 511]],
  [408, [159]],
  [411, [381]],
  [413, [229]],
  [415, [779]],
  [501, [48]],
  [503, [76, 209, 439]],
];
