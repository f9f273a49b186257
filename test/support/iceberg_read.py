"""Reads an Iceberg table with other people's readers, and its manifests with fastavro. Prints JSON.

Its argument is JSON: catalog, warehouse, region, endpoint, id, secret, namespace, table, and readers to leave out.
"""
import datetime
import importlib
import io
import json
import pathlib
import sys

given = json.loads(sys.argv[1])
host = given["endpoint"].split("://")[1]


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def rows_of(arrow):
    return [plain(row) for row in arrow.to_pylist()]


def pyiceberg_table():
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog(
        "test",
        **{
            "type": "rest",
            "uri": given["catalog"],
            "warehouse": given["warehouse"],
            "credential": f"{given['id']}:{given['secret']}",
            "oauth2-server-uri": f"{given['catalog']}/v1/oauth/tokens",
            "s3.endpoint": given["endpoint"],
            "s3.access-key-id": given["id"],
            "s3.secret-access-key": given["secret"],
            "s3.region": given["region"],
        },
    )
    return catalog.load_table((*given["namespace"], given["table"]))


def duckdb_rows():
    import duckdb

    db = duckdb.connect()
    # In their packages: nothing is downloaded.
    for name in ("avro", "httpfs", "iceberg"):
        package = importlib.import_module(f"duckdb_extension_{name}").__path__[0]
        (extension,) = pathlib.Path(package).rglob("*.duckdb_extension")
        db.execute(f"LOAD '{extension}'")
    db.execute("SET TimeZone = 'UTC'")
    db.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{given['id']}', SECRET '{given['secret']}', REGION '{given['region']}', "
        f"ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false)"
    )
    db.execute(
        f"CREATE SECRET c (TYPE iceberg, CLIENT_ID '{given['id']}', CLIENT_SECRET '{given['secret']}', "
        f"OAUTH2_SERVER_URI '{given['catalog']}/v1/oauth/tokens')"
    )
    db.execute(
        f"ATTACH '{given['warehouse']}' AS lake (TYPE iceberg, SECRET c, ENDPOINT '{given['catalog']}', "
        "ACCESS_DELEGATION_MODE 'none')"
    )
    name = ".".join(f'"{part}"' for part in ["lake", *given["namespace"], given["table"]])
    return rows_of(db.execute(f"SELECT * FROM {name}").fetch_arrow_table())


table = pyiceberg_table()
result = {"pyiceberg": rows_of(table.scan().to_arrow())}
if "duckdb" not in given.get("without", []):
    result["duckdb"] = duckdb_rows()
snapshot = table.current_snapshot()
if snapshot is not None:
    import fastavro

    def avro(path):
        return [plain(one) for one in fastavro.reader(io.BytesIO(table.io.new_input(path).open().read()))]

    result["list"] = avro(snapshot.manifest_list)
    result["entries"] = [entry for one in result["list"] for entry in avro(one["manifest_path"])]
print(json.dumps(result))
