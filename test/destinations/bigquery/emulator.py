"""Starts bqemulator for tests, with two of its faults worked round here, so that the adapter need not know of them.

It downloads a DuckDB extension for GEOGRAPHY at its start, which nothing here needs and a machine without that network does
not get; and a RAISE that no handler catches ends as an internal error (HTTP 500) and not as a failed job.
"""

from bqemulator.cli import main
from bqemulator.domain.errors import InvalidQueryError
from bqemulator.scripting.exceptions import ScriptRaise
from bqemulator.scripting.interpreter import ScriptInterpreter
from bqemulator.storage.engine import DuckDBEngine

DuckDBEngine._load_spatial = lambda self: None

run = ScriptInterpreter.run


async def run_and_fail_as_bigquery_does(self, source):
    try:
        return await run(self, source)
    except ScriptRaise as raised:
        raise InvalidQueryError(raised.message) from raised


ScriptInterpreter.run = run_and_fail_as_bigquery_does
main()
