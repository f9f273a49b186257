"""fakesnow's engine with sessions, transactions and locks of tables around it. Part of fakesnow_layer.py."""

import json
import tempfile
import threading
import time
import uuid
from datetime import timezone

import fakesnow.fakes as fakes
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.instance import FakeSnow
from fakesnow.rowtype import describe_as_rowtype

# An account far from UTC: what is right here does not depend on a session that happens to be in UTC.
ACCOUNT_ZONE = "America/New_York"
# Snowflake's are 5 minutes; see the docs of transactions.
IDLE_TRANSACTION_S = 0.7
LOCK_WAIT_S = 20
TIMES_AS_TEXT = """CREATE TEMP MACRO TIMES_AS_TEXT(times) AS to_json(list_transform(
  CAST(CAST(times AS JSON) AS VARCHAR[]), x -> strftime(CAST(x AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%fZ')))"""
engine = FakeSnow(create_database_on_connect=False, create_schema_on_connect=False)
sessions = {}
stages = tempfile.mkdtemp(prefix="replayport-snowflake-stages-")
# An RLock: whoever waits may roll another one back, which releases what that one held.
locks_changed = threading.Condition(threading.RLock())
table_locks = {}
catalog_lock = threading.RLock()


class Steps:
    """
    fakesnow transforms a statement in 70 steps, each on a copy of the whole tree: more than half of its time. Here a step works on
    the tree itself, unless the step before has put a node into it, which may be a constant of fakesnow's or stand in two places.
    """

    def __init__(self, tree):
        self.tree = tree
        self.copy = True

    def transform(self, step, *args, **kwargs):
        replaced = False

        def watched(node):
            nonlocal replaced
            result = step(node, *args, **kwargs)
            replaced = replaced or result is not node
            return result

        self.tree = self.tree.transform(watched, copy=self.copy)
        self.copy = replaced
        return self


transform_by_copies = FakeSnowflakeCursor._transform
FakeSnowflakeCursor._transform = lambda cursor, tree, params: transform_by_copies(cursor, Steps(tree), params).tree


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
        self.duck.execute(TIMES_AS_TEXT)
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
        seconds = value.replace(tzinfo=timezone.utc).timestamp()
        return f"{int(seconds // 1)}.{value.microsecond:06d}000"
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, (list, dict)) else str(value)
