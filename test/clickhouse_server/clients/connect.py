"""Reads and writes through clickhouse-connect, and through ConnectorX where there is one. See clients.ts."""
import sys

import clickhouse_connect

port = int(sys.argv[1])
client = clickhouse_connect.get_client(host="127.0.0.1", port=port, username="default", password="")


def attempt(name, work):
    try:
        print(f"clickhouse-connect: {name}: {work()!r}")
    except Exception as error:
        print(f"clickhouse-connect: {name} fails: {str(error).split('DB::Exception: ')[-1].split(' (version')[0]}")


attempt("query", lambda: client.query("SELECT number, toString(number), [number], toLowCardinality('x') FROM numbers(2)").result_rows)
attempt("query_df", lambda: client.query_df("SELECT number FROM numbers(100000)").shape)
attempt("query_arrow", lambda: client.query_arrow("SELECT number FROM numbers(100000)").num_rows)
client.command("CREATE OR REPLACE TABLE connect (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
attempt("raw_insert of CSV", lambda: client.raw_insert("connect", insert_block=b"5,x\n", fmt="CSV").written_rows)
attempt("insert", lambda: client.insert("connect", [[1, "x"]], column_names=["a", "b"]).written_rows)
attempt("SET", lambda: client.command("SET max_threads = 1"))

import connectorx

frame = connectorx.read_sql(f"clickhouse://default:@127.0.0.1:{port}/default", "SELECT number, toString(number) AS s FROM numbers(100000)")
print(f"ConnectorX: {frame.shape}")
