"""Carries out what a session is told. Part of fakesnow_layer.py."""

import re

import sqlglot
from fakesnow_engine import ACCOUNT_ZONE, PATH, Refused, by_fakesnow, catalog_lock, column, status, unquote
from fakesnow_stages import copy, list_or_remove
from sqlglot import exp


def merge(session, sql):
    """
    fake: by DuckDB's MERGE. Shows the conditions and their order, and nothing of pruning or of how it is billed. TRANSFORM of
    lists of times is a macro of DuckDB's that does what the golden file says.
    """
    sql = re.sub(r"TRANSFORM\((.*), x -> TO_VARCHAR\(.*\)\)( AS)", r"TIMES_AS_TEXT(\1)\2", sql)
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


def enter_schema(session, sql):
    """The adapter names everything in full; fakesnow keeps its books in the current schema."""
    match = re.search(r'"([^"]+)"\."([^"]+)"\."', sql)
    if match and match.group(2) != "INFORMATION_SCHEMA" and (session.connection.database, session.connection.schema) != match.groups():
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
    if session.warehouse is None and re.match(r"(SELECT|INSERT|UPDATE|DELETE|MERGE|COPY)", sql):
        message = "No active warehouse selected in the current session. Select an active warehouse with the 'use warehouse' command."
        raise Refused("000606", message, "57P03")
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
