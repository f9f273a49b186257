"""Starts bqemulator for tests, with three of its faults worked round here, so that the adapter need not know of them.

It downloads a DuckDB extension for GEOGRAPHY at its start, which nothing here needs and a machine without that network does
not get; a RAISE that no handler catches ends as an internal error (HTTP 500) and not as a failed job; and it parses each statement
some twenty times, which is half of its time. What was parsed is copied instead, since rewriters change their tree.
"""

from functools import lru_cache

from bqemulator.cli import main
from bqemulator.domain.errors import InvalidQueryError
from bqemulator.scripting.exceptions import ScriptRaise
from bqemulator.scripting.interpreter import ScriptInterpreter
from bqemulator.storage.engine import DuckDBEngine
from sqlglot.dialects.dialect import Dialect

DuckDBEngine._load_spatial = lambda self: None

run = ScriptInterpreter.run


async def run_and_fail_as_bigquery_does(self, source):
    try:
        return await run(self, source)
    except ScriptRaise as raised:
        raise InvalidQueryError(raised.message) from raised


ScriptInterpreter.run = run_and_fail_as_bigquery_does

parse_anew = Dialect.parse


@lru_cache(maxsize=64)
def parsed(dialect, sql):
    return parse_anew(dialect(), sql)


def parse_once(self, sql, **options):
    if options or self.settings:
        return parse_anew(self, sql, **options)
    return [tree and tree.copy() for tree in parsed(type(self), sql)]


Dialect.parse = parse_once
main()
