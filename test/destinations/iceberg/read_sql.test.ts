/** How `replayport sql` says that an engine reaches the table. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { CatalogAuth } from "../../../destinations/catalog/options.ts";
import type { IcebergOptions } from "../../../destinations/iceberg/options.ts";
import { ICEBERG_READERS, icebergSql } from "../../../destinations/iceberg/read_sql.ts";

const SECRETS = { token: "secret-token", clientSecret: "secret-client", secretAccessKey: "secret-key" };
const AUTHS: readonly CatalogAuth[] = [
  { type: "none" },
  { type: "token", token: SECRETS.token },
  { type: "oauth2", clientId: "me", clientSecret: SECRETS.clientSecret, tokenUrl: "https://idp.acme.com/token" },
  {
    type: "sigv4",
    service: "glue",
    region: "eu-central-1",
    credentials: { accessKeyId: "id", secretAccessKey: SECRETS.secretAccessKey },
  },
];
const options = (auth: CatalogAuth): IcebergOptions => ({
  type: "iceberg",
  catalog: { uri: "https://catalog.acme.com/iceberg", warehouse: "acme's", auth },
  namespace: ["posthog", "eu"],
  storage: { region: "eu-central-1", credentials: { accessKeyId: "id", secretAccessKey: SECRETS.secretAccessKey } },
});

suite("how engines reach an Iceberg table", () => {
  test("no statement has a secret, and each names the table", () => {
    for (const auth of AUTHS) {
      for (const reader of ICEBERG_READERS) {
        let sql: string;
        try {
          sql = icebergSql(options(auth), "session_replays", reader);
        } catch (error) {
          assert.equal((error as { code?: string }).code, "iceberg.reader", `${reader}, ${auth.type}`);
          continue;
        }
        assert.match(sql, /session_replays/);
        for (const secret of Object.values(SECRETS)) assert.ok(!sql.includes(secret), `${reader}, ${auth.type}`);
      }
    }
  });

  test("DuckDB attaches the catalog, with texts quoted", () => {
    assert.equal(
      icebergSql(options({ type: "none" }), "replays", "duckdb", "current"),
      `INSTALL iceberg; INSTALL httpfs; LOAD iceberg; LOAD httpfs;
ATTACH 'acme''s' AS lakehouse (TYPE iceberg, ENDPOINT 'https://catalog.acme.com/iceberg', AUTHORIZATION_TYPE 'none');
CREATE OR REPLACE VIEW "current" AS
SELECT * FROM lakehouse."posthog"."eu"."replays";`,
    );
  });

  test("what an engine can't reach is refused with what can", () => {
    assert.throws(() => icebergSql(options({ type: "none" }), "replays", "athena"), /athena can't reach/);
    assert.throws(() => icebergSql(options({ type: "none" }), "replays", "snowflake"), { code: "iceberg.reader" });
  });
});
