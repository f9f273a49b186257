"""
What stands between the driver for Node and fakesnow in tests: Snowflake's HTTP protocol with JSON results, over fakesnow's
engine. The adapter knows nothing of it.

fakesnow executes: CREATE, ALTER, DESCRIBE, DROP, INSERT, UPDATE, DELETE, SELECT, COPY of Parquet and CSV.
The layer carries out itself, and each of these is marked `fake` with what it does not prove: logins, session parameters,
stages (PUT, LIST, REMOVE), COPY of JSON, temporary tables, locks of tables, MERGE (DuckDB's own, since fakesnow's cannot run
in a transaction), CURRENT_… functions.

Usage: python snowflake_layer.py PORT
"""

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import uuid
import gzip
from urllib.parse import parse_qs

import duckdb
import fakesnow.fakes as fakes
import snowflake.connector.errors
import sqlglot
import uvicorn
from fakesnow.instance import FakeSnow
from fakesnow.rowtype import describe_as_rowtype
from sqlglot import exp
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

# An account far from UTC: what is right here does not depend on a session that happens to be in UTC.
ACCOUNT_ZONE = "America/New_York"
# Snowflake's are 5 minutes; see the docs of transactions.
IDLE_TRANSACTION_S = 0.7
LOCK_WAIT_S = 20

engine = FakeSnow(create_database_on_connect=False, create_schema_on_connect=False)
sessions = {}
users = {}
faults = []
log = []
cancelled = set()
stages = tempfile.mkdtemp(prefix="replayport-snowflake-stages-")
# An RLock: whoever waits may roll another one back, which releases what that one held.
locks_changed = threading.Condition(threading.RLock())
table_locks = {}
external_stages = {}
catalog_lock = threading.RLock()


class Refused(Exception):
    def __init__(self, code, message, state="42000"):
        super().__init__(message)
        self.code, self.message, self.state = code, message, state


class Session:
    def __init__(self, user):
        self.user = user
        self.token = uuid.uuid4().hex
        with catalog_lock:
            self.connection = fakes.FakeSnowflakeConnection(
                engine.duck_conn.cursor(), engine.results_cache, None, None, create_database=False, create_schema=False
            )
        self.duck = self.connection._duck_conn
        self.duck.execute(f"SET TimeZone = '{ACCOUNT_ZONE}'")
        self.parameters = {}
        self.temporary = []
        self.in_transaction = self.entered = False
        self.transaction = None
        self.idle_since = time.monotonic()
        self.lock = threading.Lock()

    def end(self):
        """fake: a session's end rolls back and drops temporary tables. Snowflake does it later for one that is lost."""
        with self.lock:
            self.leave_transaction("ROLLBACK")
            for table in self.temporary:
                self.duck.execute(f"DROP TABLE IF EXISTS {table}")
            self.temporary = []
            self.duck.close()
        for token in [token for token, session in sessions.items() if session is self]:
            del sessions[token]

    def begin(self):
        """fake: DuckDB's transaction begins with the first statement that changes something, see `lock_table`."""
        if not self.in_transaction:
            self.transaction = int(time.time() * 1000)
        self.in_transaction = True

    def enter(self):
        if self.in_transaction and not self.entered:
            self.duck.execute("BEGIN TRANSACTION")
            self.entered = True

    def lock_table(self, table, sees_before):
        """
        fake: UPDATE, DELETE and MERGE hold their table until the transaction ends, as in Snowflake; one that sits idle while
        another waits is rolled back, which takes 5 minutes there. DuckDB's snapshot is taken after the wait, or before it
        where `sees_before`: a MERGE that waits may not see what was committed meanwhile, the worst that READ COMMITTED allows.
        """
        if sees_before:
            self.enter()
        until = time.monotonic() + LOCK_WAIT_S
        with locks_changed:
            while table_locks.get(table, self) is not self:
                holder = table_locks[table]
                if time.monotonic() - holder.idle_since > IDLE_TRANSACTION_S and holder.lock.acquire(blocking=False):
                    try:
                        holder.leave_transaction("ROLLBACK")
                    finally:
                        holder.lock.release()
                    continue
                if time.monotonic() > until:
                    raise Refused("000625", "Statement aborted because of a lock that another transaction holds", "57014")
                locks_changed.wait(0.05)
            table_locks[table] = self
        self.enter()

    def release_locks(self):
        with locks_changed:
            for table in [table for table, holder in table_locks.items() if holder is self]:
                del table_locks[table]
            locks_changed.notify_all()

    def leave_transaction(self, verb):
        try:
            if self.entered:
                self.duck.execute(verb)
        finally:
            self.entered = self.in_transaction = False
            self.release_locks()


def status(message="Statement executed successfully."):
    return [column("status", "text")], [[message]]


def column(name, kind):
    return {
        "name": name,
        "type": kind,
        "nullable": True,
        "length": 16777216,
        "byteLength": 16777216,
        "precision": 38,
        "scale": 0,
    }


def unquote(literal):
    return literal[1:-1].replace("''", "'").replace("\\\\", "\\")


LITERAL = r"('(?:[^']|'')*')"
PATH = r'("[^"]+"\."[^"]+"\."[^"]+")'


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
    """Parquet and CSV by fakesnow, with the options that it does not know left out: it cannot show what they do."""
    table = re.match(rf"COPY INTO {PATH}", sql).group(1)
    location = unquote(re.search(rf"\nFROM {LITERAL}", sql).group(1))
    listed = re.search(r"\nFILES = \((.*)\)\n", sql)
    folder = fetched(location) or os.path.join(*stage_folder(location)[1:])
    names = [unquote(each) for each in re.findall(LITERAL, listed.group(1))] if listed else sorted(os.listdir(folder))
    for name in names:
        if not os.path.exists(os.path.join(folder, name)):
            raise Refused("091016", f"Remote file '{location}{name}' was not found", "02000")
    form = re.search(r"FILE_FORMAT = \((.*)\)\n", sql).group(1)
    if "TYPE = JSON" in form:
        return copy_json(session, table, folder, names, form)
    options = "TYPE = PARQUET"
    if "TYPE = CSV" in form:
        options = (
            "TYPE = CSV SKIP_HEADER = 1 FIELD_OPTIONALLY_ENCLOSED_BY = '\"' NULL_IF = ('\\\\N') EMPTY_FIELD_AS_NULL = FALSE"
        )
        folder, names = unpacked(folder, names, form)
    files = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    match_by = "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE" if "MATCH_BY_COLUMN_NAME" in sql else ""
    return by_fakesnow(
        session, f"COPY INTO {table} FROM 'file://{folder}' FILES = ({files}) FILE_FORMAT = ({options}) {match_by}"
    )


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
    rows = []
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
        rows.append([real, "LOADED", str(count), str(count)])
    names = ["file", "status", "rows_parsed", "rows_loaded"]
    return [column(each, "text" if at < 2 else "fixed") for at, each in enumerate(names)], rows


def merge(session, sql):
    """fake: by DuckDB's MERGE. Shows the conditions and their order, and nothing of pruning or of how it is billed."""
    sql = re.sub(r"TRANSFORM\((.*), x -> TO_VARCHAR\(.*\)\)( AS)", r"\1\2", sql)
    tree = sqlglot.parse_one(sql, read="snowflake")
    cursor = session.connection.cursor()
    using = tree.args["using"]
    if duplicates(session, cursor, tree):
        raise Refused("100090", "Duplicate row detected during DML action", "42P18")
    transformed = cursor._transform(tree, None)
    text = transformed.sql(dialect="duckdb")
    # DuckDB takes no alias in front of the columns that it sets.
    text = re.sub(r"(SET |, )t\.(\"[^\"]+\" = )", r"\1\2", text)
    session.duck.execute(text)
    (count,) = session.duck.fetchall()[0]
    assert using is not None
    return [column("number of rows inserted", "fixed"), column("number of rows updated", "fixed")], [[str(count), "0"]]


def duplicates(session, cursor, tree):
    """As ERROR_ON_NONDETERMINISTIC_MERGE has it."""
    source = tree.args["using"].copy()
    keys = sorted({c.name for c in tree.args["on"].find_all(exp.Column) if c.table == "s"})
    names = ", ".join(f'"{key}"' for key in keys)
    inner = cursor._transform(source, None).sql(dialect="duckdb")
    session.duck.execute(f"SELECT 1 FROM {inner} GROUP BY {names} HAVING COUNT(*) > 1 LIMIT 1")
    return session.duck.fetchone() is not None


def by_fakesnow(session, sql):
    cursor = session.connection.cursor()
    cursor.execute(sql, server=True)
    rowtype = describe_as_rowtype(cursor._describe_last_sql())
    table = cursor._arrow_table
    rows = [] if table is None else list(zip(*[each.to_pylist() for each in table.columns]))
    return rowtype, [[cell(value, kind["type"]) for value, kind in zip(row, rowtype)] for row in rows]


def cell(value, kind):
    """As Snowflake writes a value into a JSON rowset."""
    if value is None:
        return None
    if kind == "boolean":
        return "1" if value else "0"
    if kind.startswith("timestamp"):
        seconds = value.replace(tzinfo=__import__("datetime").timezone.utc).timestamp()
        return f"{int(seconds // 1)}.{value.microsecond:06d}000"
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, (list, dict)) else str(value)


def enter_schema(session, sql):
    """The adapter names everything in full; fakesnow keeps its books in the current schema."""
    match = re.search(r'"([^"]+)"\."([^"]+)"\."', sql)
    if match and (session.connection.database, session.connection.schema) != match.groups():
        known = session.duck.execute(
            "SELECT 1 FROM information_schema.schemata WHERE catalog_name = ? AND schema_name = ?", list(match.groups())
        ).fetchone()
        if not known:
            raise Refused("002003", f"SQL compilation error: Schema '{'.'.join(match.groups())}' does not exist or not authorized.", "02000")
        session.connection.cursor().execute(f'USE SCHEMA "{match.group(1)}"."{match.group(2)}"', server=True)


DDL = ("CREATE", "ALTER TABLE", "DROP", "COMMENT")


def run(session, sql):
    if sql.startswith("ALTER SESSION SET"):
        session.parameters.update(re.findall(r"(\w+) = ('(?:[^']|'')*'|\w+)", sql))
        zone = unquote(session.parameters.get("TIMEZONE", f"'{ACCOUNT_ZONE}'"))
        session.duck.execute(f"SET TimeZone = '{zone}'")
        return status()
    if sql.startswith(("LIST ", "REMOVE ")):
        return list_or_remove(sql)
    if sql.startswith("BEGIN"):
        session.begin()
        return status()
    if sql in ("COMMIT", "ROLLBACK"):
        session.leave_transaction(sql)
        return status()
    if "CURRENT_WAREHOUSE()" in sql:
        return [column("ROLE", "text"), column("WAREHOUSE", "text")], [[session.role, session.warehouse]]
    sql = sql.replace("CURRENT_TRANSACTION()", f"{session.transaction}" if session.in_transaction else "NULL")
    enter_schema(session, sql)
    if sql.startswith(DDL):
        # As in Snowflake: DDL commits what is open.
        session.leave_transaction("COMMIT")
    try:
        return run_in_schema(session, sql)
    finally:
        if not session.in_transaction:
            session.release_locks()


def run_in_schema(session, sql):
    if sql.startswith("COMMENT ON"):
        # fake: forgotten.
        return status()
    changed = re.match(rf"(UPDATE|DELETE FROM|MERGE INTO) {PATH}", sql)
    if changed:
        session.lock_table(changed.group(2), sees_before=changed.group(1) == "MERGE INTO")
    elif sql.startswith("INSERT"):
        session.enter()
    temporary = re.match(rf"CREATE OR REPLACE TEMPORARY TABLE {PATH}", sql)
    if temporary:
        # fake: a table like others, dropped with its session. Other sessions could see it.
        session.duck.execute(f"DROP TABLE IF EXISTS {temporary.group(1)}")
        session.temporary.append(temporary.group(1))
        sql = sql.replace("OR REPLACE TEMPORARY ", "", 1)
    if sql.startswith("COPY INTO"):
        return copy(session, sql)
    if sql.startswith("MERGE INTO"):
        return merge(session, sql)
    if sql.startswith(("CREATE", "ALTER", "DROP", "DESCRIBE")):
        # fakesnow takes a dollar in a comment for a session variable.
        sql = re.sub(r"(COMMENT(?: =| IS)? )('(?:[^']|'')*')", lambda m: m[1] + m[2].replace("$", ""), sql)
        # fakesnow keeps comments, stages and tables of all databases in one place that allows one writer.
        with catalog_lock:
            return by_fakesnow(session, sql)
    return by_fakesnow(session, sql)


def refused(error):
    if isinstance(error, Refused):
        return error
    if isinstance(error, snowflake.connector.errors.Error):
        return Refused(f"{error.errno or 603:06d}", str(error.msg), error.sqlstate or "42000")
    if isinstance(error, duckdb.TransactionException):
        return Refused("000625", f"Statement aborted because of a lock: {error}", "57014")
    if isinstance(error, (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.IOException, duckdb.ConstraintException)):
        return Refused("100038", str(error).split("\n")[0], "22018")
    if isinstance(error, duckdb.Error):
        return Refused("002140", f"{type(error).__name__}: {error}", "42601")
    return Refused("000603", f"{type(error).__name__}: {error}", "XX000")


def fault_for(sql):
    for fault in faults:
        if fault["times"] > 0 and re.search(fault["match"], sql, re.DOTALL):
            fault["times"] -= 1
            return fault
    return None


def work(session, sql, request_id):
    with session.lock:
        fault = fault_for(sql)
        if fault and fault.get("kind") == "hang":
            # As long as nobody cancels it, it runs.
            while request_id not in cancelled:
                time.sleep(0.02)
            raise Refused("000604", "SQL execution canceled", "57014")
        if fault and fault.get("kind") == "hold":
            # Until the faults are set anew.
            while fault in faults:
                time.sleep(0.02)
                session.idle_since = time.monotonic()
            fault = None
        if fault and fault.get("kind") != "after":
            raise Refused(fault["code"], fault.get("message", "injected"), fault.get("state", "42000"))
        try:
            if sql.startswith("PUT "):
                return {"data": put(sql), "success": True}
            rowtype, rows = run(session, sql)
        finally:
            session.idle_since = time.monotonic()
        if fault:
            raise Refused(fault["code"], fault.get("message", "injected"), fault.get("state", "42000"))
        return {
            "data": {
                "parameters": [],
                "rowtype": rowtype,
                "rowset": rows,
                "total": len(rows),
                "returned": len(rows),
                "queryId": str(uuid.uuid4()),
                "queryResultFormat": "json",
                "statementTypeId": 4096,
                "finalDatabaseName": None,
                "finalSchemaName": None,
                "finalRoleName": "",
                "finalWarehouseName": "",
                "numberOfBinds": 0,
                "arrayBindSupported": False,
                "version": 1,
            },
            "code": None,
            "message": None,
            "success": True,
        }


async def body_of(request):
    body = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    return json.loads(body or b"{}")


def failure(error):
    data = {"errorCode": error.code, "sqlState": error.state, "queryId": str(uuid.uuid4())}
    return JSONResponse({"data": data, "code": error.code, "message": error.message, "success": False})


def fingerprint(pem):
    der = base64.b64decode("".join(pem.strip().splitlines()[1:-1]))
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


async def login(request):
    """fake: knows users by password, token or public key. Shows that the driver was given what it needs to log in."""
    data = (await body_of(request))["data"]
    fault = fault_for("LOGIN")
    if fault:
        return failure(Refused(fault["code"], fault.get("message", "injected"), "08001"))
    user = users.get(data.get("LOGIN_NAME", "").upper())
    authenticator = data.get("AUTHENTICATOR", "SNOWFLAKE")
    if user is None:
        return failure(Refused("390100", "Incorrect username or password was specified.", "08001"))
    if authenticator == "SNOWFLAKE_JWT":
        import jwt

        try:
            # The driver writes milliseconds where the standard has seconds; Snowflake does not mind.
            claims = jwt.decode(data["TOKEN"], user["public_key"], algorithms=["RS256"], options={"verify_iat": False})
            if claims["sub"] != f"{data['ACCOUNT_NAME'].upper()}.{data['LOGIN_NAME'].upper()}":
                raise ValueError(claims["sub"])
            if claims["iss"] != f"{claims['sub']}.SHA256:{fingerprint(user['public_key'])}":
                raise ValueError(claims["iss"])
        except Exception:
            return failure(Refused("390144", "JWT token is invalid. [0ce9eb56-821d-4ca9-a774-04ae89a0cf5a]", "08001"))
    elif authenticator == "OAUTH":
        if data.get("TOKEN") != user.get("token"):
            return failure(Refused("390303", "Invalid OAuth access token.", "08001"))
    elif data.get("PASSWORD") != user.get("password"):
        return failure(Refused("390100", "Incorrect username or password was specified.", "08001"))
    role = request.query_params.get("roleName", '"REPLAYPORT"').strip('"')
    if role not in user["roles"]:
        return failure(Refused("390189", f"Role '{role}' specified in the connect string does not exist or not authorized.", "08001"))
    session = await run_in_threadpool(Session, data["LOGIN_NAME"])
    session.role = role
    warehouse = request.query_params.get("warehouse", "").strip('"')
    session.warehouse = warehouse if warehouse in user["warehouses"] else None
    sessions[session.token] = session
    return JSONResponse(
        {
            "data": {
                "token": session.token,
                "masterToken": f"master-{session.token}",
                "validityInSeconds": 3600,
                "masterValidityInSeconds": 14400,
                "sessionId": len(log) + 1,
                "serverVersion": "9.0.0",
                "parameters": [{"name": "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", "value": 3600}],
                "sessionInfo": {},
            },
            "code": None,
            "message": None,
            "success": True,
        }
    )


def session_of(request):
    match = re.search(r'Token="(?:master-)?(.*)"', request.headers.get("authorization", ""))
    session = sessions.get(match.group(1)) if match else None
    if session is None:
        raise Refused("390111", "Session no longer exists. New login required to access the service.", "08001")
    return session


async def query(request):
    try:
        session = session_of(request)
    except Refused as error:
        return failure(error)
    sql = (await body_of(request))["sqlText"]
    request_id = parse_qs(str(request.url.query)).get("requestId", [""])[0]
    entry = {"sql": sql, "session": session.token[:8], "request": request_id}
    log.append(entry)
    try:
        answer = await run_in_threadpool(work, session, sql, request_id)
        return JSONResponse(answer)
    except Exception as error:
        mapped = refused(error)
        entry["error"] = f"{mapped.code} {mapped.message}"
        return failure(mapped)


async def abort(request):
    body = await body_of(request)
    cancelled.add(body.get("requestId"))
    log.append({"cancel": body.get("requestId")})
    return JSONResponse({"data": None, "code": None, "message": None, "success": True})


async def session_request(request):
    try:
        session = session_of(request)
    except Refused as error:
        return failure(error)
    if request.query_params.get("delete"):
        log.append({"closed": session.token[:8]})
        await run_in_threadpool(session.end)
    return JSONResponse({"data": None, "code": None, "message": None, "success": True})


async def renew(request):
    """fake: a new name for the session; the old one is still known."""
    try:
        session = session_of(request)
    except Refused as error:
        return failure(error)
    token = uuid.uuid4().hex
    sessions[token] = session
    log.append({"renewed": session.token[:8]})
    data = {
        "sessionToken": token,
        "masterToken": f"master-{session.token}",
        "validityInSecondsST": 3600,
        "validityInSecondsMT": 14400,
    }
    return JSONResponse({"data": data, "code": None, "message": None, "success": True})


async def nothing(_request):
    return JSONResponse({"data": None, "code": None, "message": None, "success": True})


# ---- For tests: what they set up and look at. ----


def admin(database, schema, sqls):
    with catalog_lock:
        connection = fakes.FakeSnowflakeConnection(
            engine.duck_conn.cursor(), engine.results_cache, database, schema, create_database=True, create_schema=True
        )
        try:
            rows = []
            for sql in sqls:
                cursor = connection.cursor()
                cursor.execute(sql, server=True)
                table = cursor._arrow_table
                rows = [] if table is None else table.to_pylist()
            return rows
        finally:
            connection._duck_conn.close()


async def layer_sql(request):
    body = await body_of(request)
    try:
        rows = await run_in_threadpool(admin, body["database"], body["schema"], body.get("sql", []))
    except Exception as error:
        return JSONResponse({"error": str(error)}, status_code=400)
    return JSONResponse({"rows": json.loads(json.dumps(rows, default=str))})


async def layer_objects(request):
    body = await body_of(request)
    temporary = {table for session in sessions.values() for table in session.temporary}
    with catalog_lock:
        cursor = engine.duck_conn.cursor()
        rows = cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_catalog = ? AND table_schema = ?",
            [body["database"], body["schema"]],
        ).fetchall()
        cursor.close()
    names = [name for (name,) in rows]
    shown = [name for name in names if f'"{body["database"]}"."{body["schema"]}"."{name}"' not in temporary]
    files = [f"{root}/{path}" for root in sorted(os.listdir(stages)) for path in files_below(os.path.join(stages, root), "")]
    return JSONResponse({"tables": sorted(shown), "files": [file for file in files if not file.startswith("tmp")]})


async def layer_users(request):
    users.update(await body_of(request))
    return JSONResponse({})


async def layer_stages(request):
    external_stages.update(await body_of(request))
    return JSONResponse({})


async def layer_faults(request):
    faults[:] = await body_of(request)
    return JSONResponse({})


async def layer_log(request):
    if request.method == "DELETE":
        log.clear()
    return JSONResponse({"log": log, "sessions": len(set(sessions.values()))})


async def layer_end_sessions(_request):
    for session in set(sessions.values()):
        await run_in_threadpool(session.end)
    return JSONResponse({})


app = Starlette(
    routes=[
        Route("/session/v1/login-request", login, methods=["POST"]),
        Route("/session/token-request", renew, methods=["POST"]),
        Route("/session", session_request, methods=["POST"]),
        Route("/session/heartbeat", session_request, methods=["POST"]),
        Route("/queries/v1/query-request", query, methods=["POST"]),
        Route("/queries/v1/abort-request", abort, methods=["POST"]),
        Route("/telemetry/send", nothing, methods=["POST"]),
        Route("/layer/sql", layer_sql, methods=["POST"]),
        Route("/layer/objects", layer_objects, methods=["POST"]),
        Route("/layer/users", layer_users, methods=["POST"]),
        Route("/layer/stages", layer_stages, methods=["POST"]),
        Route("/layer/faults", layer_faults, methods=["POST"]),
        Route("/layer/log", layer_log, methods=["GET", "DELETE"]),
        Route("/layer/end-sessions", layer_end_sessions, methods=["POST"]),
    ]
)


def end_with_the_tests():
    """Whoever started this holds the other end of stdin: it closes with them, also where they are killed."""
    sys.stdin.buffer.read()
    shutil.rmtree(stages, ignore_errors=True)
    os._exit(0)


def main():
    threading.Thread(target=end_with_the_tests, daemon=True).start()
    try:
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
    finally:
        shutil.rmtree(stages, ignore_errors=True)


if __name__ == "__main__":
    main()
