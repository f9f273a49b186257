"""
What stands between the driver for Node and fakesnow in tests: Snowflake's HTTP protocol with JSON results, over fakesnow's
engine. The adapter knows nothing of it.

fakesnow executes: CREATE, ALTER, DESCRIBE, DROP, INSERT, UPDATE, DELETE, SELECT, COPY of CSV.
The layer carries out itself, and each of these is marked `fake` with what it does not prove: logins, session parameters,
stages (PUT, LIST, REMOVE), COPY of Parquet and JSON, temporary tables, locks of tables, MERGE (DuckDB's own, since fakesnow's cannot run
in a transaction), CURRENT_… functions.

Usage: python fakesnow_layer.py PORT
"""

import base64
import gzip
import hashlib
import json
import os
import re
import shutil
import sys
import threading
import time
import uuid
from urllib.parse import parse_qs

import duckdb
import fakesnow.fakes as fakes
import snowflake.connector.errors
import uvicorn
from fakesnow_engine import Refused, Session, catalog_lock, engine, sessions, stages
from fakesnow_stages import external_stages, files_below, put
from fakesnow_statements import run
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

users = {}
faults = []
log = []
cancelled = set()


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
