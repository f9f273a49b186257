/**
 * The file of the check: one row as ClickHouse 26 writes it into Parquet (zstd), so that what is read back shows how the
 * account reads such files: times to the microsecond, lists, NULLs, 64-bit numbers.
 */
import { gunzipSync } from "node:zlib";
import type { Column } from "../../src/models/column.ts";

const GZIPPED =
  "H4sIAAAAAAACA81XfWgbZRh/7+2ZZmnWpmne1zt3zvyTlwxmP9c0legm/lPGCXNsUKSaXS7v2NGkrbnrmP/JcCBTdLg53AduVBmCpX9M3BQcll" +
  "FhTuc+GMNJERSFMT+YOKTO+vFeLne5JjkxxQxDyL3Pc8/7Ps/vd8/HZdOjm3sQj0KoG31w5sv3fSkEEQAg/l7XH/zwBgA4YH3Y9bVDb00hgHyI" +
  "oJe/vfN5q8RMQ0z0SYLfNiuvkjV07e3O0QI7Epqnigdez5C9UEK8GAMhUWg2qJJPa1kUxBCf5fBuSJ4m/npcyOzCIMXREPrk7TcXW5dAOg5AiA" +
  "kFOpFTnp0YLxgPqjuoOsq2P3N9IV4b3nCo0lyo0nhCm71HQkELWkCnuq6Nj9nornD4VUiO8mSm6d/6kHHUQrcObUHTFxfCS8BdAgAzYYdhTOgP" +
  "dXUpap52GlQ3utYrD/ewgPZtXUwziGHUi07t2/OTvwwxAeK49jbBQ+8CPAQAZALkLNjnc0+EyMwKE3a/z8S9YrtW0I30ZCFXhP08xHOQfNNMbi" +
  "7Tr4zXriFFl4yIJ9EIunP56OGWFBOckG4DMBuuSUWHwoFfjjzO4vz+3f2nGRur0SPor70XFlZKxTooPvCO6n2KEK5WukjYZZHQBM1fnuOaIHPx" +
  "+7nPniJzKx0qkn4llzOJ0PmcphvNNEfzdMxgtPD4BMTnIPmzhSwG6gpAxhtFAqFIAG8xYtbysRu3LnCVtbxh90XhwxGf+Yz2HGv50auWbbPyKl" +
  "lD55nwU+1OLQd0QykYaUPLU1c5/9pGjrfV40cu49r/0dSnfCWun78+nCrhGvZ/54nLNiuvkjV0nriuRBxcfjqWrUR1ooNcCtfjpYgKoFbUid55" +
  "5YWrQTNUYBcjBwTOHUrSLjEznEjT1vvILSwhIMZ8gNGs6eksSyWDWn1lCzbIIkq5jpEHnXoxWbz24vz1Khatz8J65uC38yOjXizaZuVVsobOk8" +
  "WvRAkFLBZbFdXQdtK0TtXxsazu4vKkQObvrceX/L/I/IP3lzMkvZMWzF7vQnVzFTmwapl5P/PckS9aqmbzjdsfn7FQbT40t81zNpfMyqtkDZ0n" +
  "qrNRB1UwTXeZ44hm04rhQnbwATK7uh5PFjJxfsins8mWV1CEiTHgDH+AgkxyzcsYkCVzTzAGXeOkpO1nh9t9leH2ySlTyQvFHougdZjda+2T+K" +
  "IDpz/FIvJL7dLaYkoV7zk1vuQOYP5d5QZQgJlWJHJpv50BlriEOveRGIqSOP3fvwE15MXjLo31uzsyGzSxGjIwltf2G9h1G9L0GtZz8HwbhsSP" +
  "34iA+MbHcpo6OjQ+qdNoKe5ob6JzoLM3Gs9MarlsVEn09Cf6uvuy2xP9al/3QCabSWYSCTpIB1WV3RnoW5dQEpnkGnGatZR/+IIfWJ5tYv+0/g" +
  "YPkSwQbg0AAA==";

export const PROBE_FILE: Buffer = gunzipSync(Buffer.from(GZIPPED, "base64"));

export const PROBE_KEY: readonly string[] = ["team_id", "session_id"];

export const PROBE_COLUMNS: readonly Column[] = [
  column("team_id", "int64"),
  column("session_id", "string"),
  { ...column("first_url", "string"), nullable: true, privacy: "content" },
  column("all_urls", "string[]"),
  column("start_time", "timestamp"),
  column("end_time", "timestamp"),
  { ...column("is_deleted", "bool"), nullable: true },
  column("active_seconds", "float64"),
  column("_version", "int64"),
  column("_exported_at", "timestamp"),
];

/** What has to be read back; `start` is 2026-10-01T00:00:00.123456Z in microseconds. */
export const PROBE_ROW = {
  rows: 1,
  session: "replayport-check",
  start: 1_790_812_800_123_456,
  urls: 2,
  version: 1_790_812_800_123_456,
} as const;

function column(name: string, type: Column["type"]): Column {
  return { name, type, nullable: false, privacy: "none", description: "Of Replayport's check." };
}
