"""Writes a table with PyIceberg and keeps its metadata, manifest list and manifests beside this file. Run `write.ts pyiceberg`."""
import json
import pathlib
import sys

import pyarrow as pa
from pyiceberg.catalog import load_catalog

given = json.loads(sys.argv[1])
catalog = load_catalog("golden", **given["catalog"])
schema = pa.schema(
    [
        pa.field("team_id", pa.int64(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("start_time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("url", pa.string()),
        pa.field("tags", pa.list_(pa.string())),
    ]
)
table = catalog.create_table((given["namespace"], "golden"), schema, properties={"format-version": "2"})


def rows(first, count):
    numbers = range(first, first + count)
    return pa.table(
        {
            "team_id": [number % 2 for number in numbers],
            "session_id": [f"session-{number:04}" for number in numbers],
            "start_time": [1_700_000_000_000_001 + number * 1_000_000 for number in numbers],
            "url": [None if number % 3 == 0 else f"https://example.org/a-long-path/{number:04}" for number in numbers],
            "tags": [[f"tag{one}" for one in range(number % 3)] for number in numbers],
        },
        schema=schema,
    )


table.append(rows(0, 10))
table.append(rows(10, 5))
# Copy-on-write: an existing, a deleted and an added entry.
table.delete("session_id = 'session-0003'")
table = catalog.load_table((given["namespace"], "golden"))
here = pathlib.Path(__file__).parent / "pyiceberg"
here.mkdir(exist_ok=True)


def keep(location, name):
    (here / name).write_bytes(table.io.new_input(location).open().read())


keep(table.metadata_location, "metadata.json")
snapshot = table.current_snapshot()
keep(snapshot.manifest_list, "manifest_list.avro")
for at, manifest in enumerate(snapshot.manifests(table.io)):
    keep(manifest.manifest_path, f"manifest_{at}.avro")
print(json.dumps({"snapshots": len(table.snapshots())}))
