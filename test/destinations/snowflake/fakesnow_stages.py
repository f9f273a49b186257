"""
Stages and COPY, in the place of Snowflake's: a stage is a folder of this machine, or the bucket that a test has named.
Part of fakesnow_layer.py.
"""

import contextlib
import gzip
import os
import re
import tempfile

from fakesnow_engine import LITERAL, PATH, Refused, by_fakesnow, column, stages, unquote

external_stages = {}


def stage_folder(location):
    """fake: a stage is a folder. Shows neither encryption, nor the clouds' storage, nor a stage that does not exist."""
    if location.startswith("@~/"):
        root, rest = "user", location[3:]
    else:
        match = re.match(r'@"([^"]+)"\."([^"]+)"\."([^"]+)"/(.*)$', location)
        if not match:
            raise Refused("001003", f"SQL compilation error: not a stage: {location}")
        root, rest = ".".join(match.groups()[:3]), match.group(4)
    return root, os.path.join(stages, root), rest


def fetched(location):
    """fake: files of an external stage, by the keys that the test gave. Shows no storage integration."""
    for stage, bucket in external_stages.items():
        if location.startswith(f"@{stage}/"):
            import boto3

            s3 = boto3.client(
                "s3",
                endpoint_url=bucket["endpoint"],
                region_name=bucket["region"],
                aws_access_key_id=bucket["id"],
                aws_secret_access_key=bucket["secret"],
            )
            prefix = bucket["prefix"] + location[len(stage) + 2 :]
            folder = tempfile.mkdtemp(dir=stages)
            for item in s3.list_objects_v2(Bucket=bucket["bucket"], Prefix=prefix).get("Contents", []):
                s3.download_file(bucket["bucket"], item["Key"], os.path.join(folder, os.path.basename(item["Key"])))
            return folder + "/"
    return None


def files_below(root, prefix):
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), root)
            if path.startswith(prefix):
                found.append(path)
    return sorted(found)


def put(sql):
    match = re.match(rf"PUT {LITERAL} {LITERAL}", sql)
    if not match:
        raise Refused("001003", f"SQL compilation error: {sql}")
    local, location = unquote(match.group(1)), unquote(match.group(2))
    _, root, rest = stage_folder(location)
    return {
        "stageInfo": {"locationType": "LOCAL_FS", "location": os.path.join(root, rest), "creds": {}},
        "src_locations": [local.removeprefix("file://")],
        "parallel": 4,
        "autoCompress": "AUTO_COMPRESS = FALSE" not in sql,
        "sourceCompression": "auto_detect",
        "overwrite": "OVERWRITE = TRUE" in sql,
        "command": "UPLOAD",
        "encryptionMaterial": [],
        "operation": "Node",
        "presignedUrls": [],
    }


def list_or_remove(sql):
    """fake: fakesnow has no REMOVE, and its LIST knows no folders."""
    verb, location = re.match(rf"(LIST|REMOVE) {LITERAL}", sql).groups()
    name, root, rest = stage_folder(unquote(location))
    found = files_below(root, rest)
    shown = [path if name == "user" else f"{name.rsplit('.', 1)[-1].lower()}/{path}" for path in found]
    if verb == "REMOVE":
        for path in found:
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(root, path))
        return [column("name", "text"), column("result", "text")], [[path, "removed"] for path in shown]
    rows = [[path, str(os.path.getsize(os.path.join(root, real))), "", ""] for path, real in zip(shown, found)]
    return [column("name", "text"), column("size", "fixed"), column("md5", "text"), column("last_modified", "text")], rows


def copy(session, sql):
    """CSV by fakesnow, with the options that it does not know left out: it cannot show what they do."""
    table = re.match(rf"COPY INTO {PATH}", sql).group(1)
    location = unquote(re.search(rf"\n *FROM {LITERAL}", sql).group(1))
    listed = re.search(r"\nFILES = \((.*)\)\n", sql)
    folder = fetched(location) or os.path.join(*stage_folder(location)[1:])
    names = [unquote(each) for each in re.findall(LITERAL, listed.group(1))] if listed else sorted(os.listdir(folder))
    for name in names:
        if not os.path.exists(os.path.join(folder, name)):
            raise Refused("091016", f"Remote file '{location}{name}' was not found", "02000")
    form = re.search(r"FILE_FORMAT = \((.*)\)\n", sql).group(1)
    if "TYPE = PARQUET" in form:
        return copy_parquet(session, sql, table, folder, names)
    if "TYPE = JSON" in form:
        return copy_json(session, table, folder, names, form)
    options = "TYPE = CSV SKIP_HEADER = 1 FIELD_OPTIONALLY_ENCLOSED_BY = '\"' NULL_IF = ('\\\\N') EMPTY_FIELD_AS_NULL = FALSE"
    folder, names = unpacked(folder, names, form)
    files = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return by_fakesnow(session, f"COPY INTO {table} FROM 'file://{folder}' FILES = ({files}) FILE_FORMAT = ({options})")


def copied(counts):
    names = ["file", "status", "rows_parsed", "rows_loaded"]
    rows = [[name, "LOADED", str(count), str(count)] for name, count in counts]
    return [column(each, "text" if at < 2 else "fixed") for at, each in enumerate(names)], rows


def copy_parquet(session, sql, table, folder, names):
    """
    fake: DuckDB reads Parquet. Shows that names and types of the files fit, and that moments become times of the session's
    zone, as TIMESTAMP_LTZ does; neither what a VARIANT does to a value on its way, nor the options of the format.
    """
    targets = re.findall(r'"((?:[^"]|"")+)"', re.match(rf"COPY INTO {PATH} \((.*)\)\n", sql).group(2))
    values = re.findall(r'\$1:"((?:[^"]|"")+)"::([A-Z_]+)', sql)
    kinds = {name: kind for name, kind, *_ in session.duck.execute(f"DESCRIBE {table}").fetchall()}
    if len(targets) != len(values):
        raise Refused("002057", "Insert value list does not match column list", "42601")
    cells = [
        f'to_json("{name}")' if kinds[target] == "JSON" else f'CAST("{name}" AS {kinds[target]})'
        for target, (name, _) in zip(targets, values)
    ]
    into = ", ".join(f'"{target}"' for target in targets)
    counts = []
    for name in names:
        read = os.path.join(folder, name).replace("'", "''")
        session.duck.execute(f"INSERT INTO {table} ({into}) SELECT {', '.join(cells)} FROM read_parquet('{read}')")
        counts.append([name, session.duck.fetchall()[0][0]])
    return copied(counts)


def unpacked(folder, names, form):
    """fake: fakesnow's CSV knows gzip alone; what else is compressed is unpacked before."""
    kind = re.search(r"COMPRESSION = (\w+)", form).group(1)
    out = tempfile.mkdtemp(dir=stages)
    plain = []
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
        if kind == "GZIP":
            data = gzip.decompress(data)
        elif kind in ("ZSTD", "BROTLI"):
            import pyarrow

            with pyarrow.CompressedInputStream(pyarrow.BufferReader(data), kind.lower()) as stream:
                data = stream.read()
        elif data[:4] in (b"\x28\xb5\x2f\xfd",) or data[:2] == b"\x1f\x8b":
            raise Refused("100069", "Error parsing: the file is compressed, COMPRESSION says that it is not", "22000")
        target = os.path.splitext(name)[0] + ".plain"
        with open(os.path.join(out, target), "wb") as file:
            file.write(data)
        plain.append(target)
    return out + "/", plain


def copy_json(session, table, folder, names, form):
    """fake: fakesnow has no COPY of JSON by column names; DuckDB reads it. Shows that names and types of the files fit."""
    folder, plain = unpacked(folder, names, form)
    described = session.duck.execute(f"DESCRIBE {table}").fetchall()
    counts = []
    for name, real in zip(plain, names):
        keys = session.duck.execute(f"SELECT DISTINCT unnest(json_keys(json)) FROM read_json_objects('{folder}{name}')").fetchall()
        by_upper = {key[0].upper(): key[0] for key in keys}
        cells = []
        for target, kind, *_ in described:
            key = by_upper.get(target)
            if key is None:
                cells.append("NULL")
            elif kind == "JSON":
                cells.append(f"json_extract(json, '$.\"{key}\"')")
            else:
                cells.append(f"CAST(json_extract_string(json, '$.\"{key}\"') AS {kind})")
        session.duck.execute(f"INSERT INTO {table} SELECT {', '.join(cells)} FROM read_json_objects('{folder}{name}')")
        count = session.duck.fetchall()[0][0]
        counts.append([real, count])
    return copied(counts)
