import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { compressors } from "hyparquet-compressors";
import { cityHash128 } from "../../src/clickhouse_server/city_hash.ts";
import { embedded, embeddedSkip } from "../support/embedded.ts";

/** Lengths on both sides of each branch, with what ClickHouse's Java client (clickhouse-data 0.9.0) makes of `pattern`. */
const HASHES: readonly (readonly [length: number, low: string, high: string])[] = [
  [0, "3df09dfc64c09a2b", "3cb540c392e51e29"],
  [1, "e5bef1ac1b4eece8", "f99648378186fd8b"],
  [3, "adaa7f7a13c93e5f", "129d706b43a7de87"],
  [7, "7462608ad5fe5aae", "e477d953604826a3"],
  [8, "9e8ef701d544a0ea", "05b472a502cb6da5"],
  [10, "45e7d6e435837f25", "5ac40f79b752048d"],
  [15, "8e1d81541965a795", "9d47eb342b5cb581"],
  [16, "92017a2a90ec57ce", "6f8f8637a23ddb07"],
  [20, "97ad682380ca9594", "113fc3342d0f1e72"],
  [25, "a28d9821600277b0", "8e7a90192c990376"],
  [32, "a43618188fa7e855", "c6db312deeb5e0c8"],
  [33, "3a58975d77d094de", "ee6cb4a8f33f084c"],
  [100, "e2df4094a6dce5c2", "e2d5d1ae2bd4f74b"],
  [143, "95a7fb38aadc1abd", "ee1fa071419e9a15"],
  [144, "0dc19c4c7ee70739", "230ee4375bdf485a"],
  [160, "d2052714a4f8f7b1", "eb42c3f0ae40248f"],
  [177, "ab94bd5bbcac67f8", "f69511f26c9bba17"],
  [272, "16e28f6f067f1288", "51741ac73b8cd05c"],
  [300, "ac7ab3f9f76c474b", "ba3289aaafe5f057"],
  [4097, "59bcfaa9d9493a0b", "03a2657c45a24024"],
  [65803, "4f01f490657a11b9", "f74f87c9e5f21318"],
];

function pattern(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 7 + 13 + (i >> 8)) & 255));
}

test("the checksum is the one of ClickHouse's own clients", () => {
  for (const [length, low, high] of HASHES) {
    const hash = cityHash128(pattern(length));
    const words = [0, 8].map((at) => hash.readBigUInt64LE(at).toString(16).padStart(16, "0"));
    assert.deepEqual(words, [low, high], String(length));
  }
});

/** Reads blocks as clients do: checksum, method, sizes, LZ4. */
function decode(bytes: Buffer): string {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = bytes.readUInt32LE(at + 17);
    const block = bytes.subarray(at + 16, at + 16 + size);
    assert.deepEqual(bytes.subarray(at, at + 16), cityHash128(block));
    assert.equal(block[0], 0x82, "LZ4: JDBC knows no other method");
    parts.push(compressors.LZ4_RAW!(new Uint8Array(block.subarray(9)), block.readUInt32LE(5)));
    at += 16 + size;
  }
  return Buffer.concat(parts).toString();
}

suite("embedded: ClickHouse's own compression", { skip: embeddedSkip }, () => {
  test("compress=1 is answered in blocks, whatever the length, and so are errors that JDBC reads in blocks", async () => {
    await using harness = await embedded();
    const ask = async (body: string, search: string) => {
      const response = await fetch(`${harness.url}/?${search}`, { method: "POST", body });
      return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()), headers: response.headers };
    };
    for (const count of [1, 13, 14, 15, 268, 269, 270, 525, 65_535, 65_536, 300_000]) {
      const { bytes } = await ask(`SELECT repeat('é', ${count}) FORMAT TSVRaw`, "compress=1");
      assert.equal(decode(bytes), `${"é".repeat(count)}\n`);
    }
    const plain = await ask("SHOW DATABASES LIKE 'default'", "enable_http_compression=1&compress=1");
    assert.equal(plain.headers.get("content-encoding"), null);
    assert.equal(decode(plain.bytes), "default\n");
    assert.equal((await ask("SELECT 1 FORMAT Null", "compress=1")).bytes.length, 0);
    for (const sql of ["SELEC 1", "SELECT nosuch", "SELECT throwIf(1)"]) {
      assert.match(decode((await ask(sql, "compress=1")).bytes), /^Code: \d+\. DB::Exception: /);
    }
    const refused = await ask("SELECT 1 FORMAT Native", "compress=1&client_protocol_version=54460");
    assert.match(refused.bytes.toString(), /^Code: 48\./, "JDBC reads a 501 as it is");
    const body = await ask("SELECT 1", "decompress=1");
    assert.equal(body.status, 501);
    assert.match(body.bytes.toString(), /decompress=false/);
  });
});
