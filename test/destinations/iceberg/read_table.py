"""Reads Iceberg tables with PyIceberg, for one process of tests: a request as JSON on each line of its input, the answer as JSON
on each line of its output.

Its argument is JSON: uri, warehouse, id, secret, endpoint, region.
"""
import datetime
import json
import sys

from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

given = json.loads(sys.argv[1])
catalog = load_catalog(
    "test",
    **{
        "type": "rest",
        "uri": given["uri"],
        "warehouse": given["warehouse"],
        "credential": f"{given['id']}:{given['secret']}",
        "oauth2-server-uri": f"{given['uri']}/v1/oauth/tokens",
        "s3.endpoint": given["endpoint"],
        "s3.access-key-id": given["id"],
        "s3.secret-access-key": given["secret"],
        "s3.region": given["region"],
    },
)


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


def rows(table, columns):
    found = table.scan(selected_fields=tuple(columns or ("*",))).to_arrow()
    return [{name: plain(value) for name, value in row.items()} for row in found.to_pylist()]


def needed(table, _):
    """Every file that a snapshot names, and the ledgers."""
    files = {table.metadata_location, table.properties.get("replayport.ledger")}
    for snapshot in table.snapshots():
        files |= {snapshot.manifest_list, snapshot.summary.additional_properties.get("replayport.ledger")}
        for manifest in snapshot.manifests(table.io):
            files.add(manifest.manifest_path)
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                files.add(entry.data_file.file_path)
    return sorted(file for file in files if file)


def about(table, _):
    return {
        "location": table.location(),
        "properties": dict(table.properties),
        "snapshots": len(table.snapshots()),
        "manifests": len(table.current_snapshot().manifests(table.io)) if table.current_snapshot() else 0,
        "files": sorted(
            [entry.data_file.content.name, entry.data_file.file_path, entry.data_file.record_count]
            for manifest in (table.current_snapshot().manifests(table.io) if table.current_snapshot() else [])
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
        ),
    }


ANSWERS = {"rows": rows, "needed": needed, "about": about}
for line in sys.stdin:
    request = json.loads(line)
    try:
        table = catalog.load_table((*request["namespace"], request["table"]))
        answer = {"answer": ANSWERS[request["what"]](table, request.get("columns"))}
    except (NoSuchTableError, NoSuchNamespaceError):
        answer = {"answer": None}
    except Exception as error:  # The test says which request failed.
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
