/** The HTTP side: API, metrics, health and the dashboard. */
import * as z from "zod";
import { field, optional, SECRET, text } from "./values/fields.ts";

export const httpSchema = z
  .strictObject({
    host: field(
      text.default("127.0.0.1"),
      "The address to listen on. Any other than loopback needs a token.",
      "127.0.0.1",
      "0.0.0.0",
    ),
    port: field(z.int().min(0).max(65_535).default(8080), "The port to listen on.", 8080),
    token: optional(
      z
        .string()
        .min(16)
        // Anything else can't be sent in a header.
        .regex(/^[\x21-\x7e]+$/)
        .meta(SECRET),
      "A secret of at least 16 characters without spaces, for `Authorization: Bearer …` and the dashboard.",
      "${REPLAYPORT_TOKEN}",
    ),
    public_reads: z
      .boolean()
      .default(false)
      .describe("Allow reads (dashboard, metrics, GET) without a token. Changes always need it."),
  })
  .describe("API, metrics, health and dashboard over HTTP.");

/** @param input undefined if the file has no section: then loopback, and health only */
export function resolveHttp(input: z.output<typeof httpSchema> | undefined) {
  const { host, port, token, public_reads } = input ?? httpSchema.parse({});
  return { host, port, token, publicReads: public_reads };
}
