"""Parses statements with sqlglot. Reads a JSON list of {name, dialect, sql}, prints a JSON list of {name, problem}."""

import json
import logging
import sys

import sqlglot
from sqlglot import exp

# Of a statement that it doesn't know, it logs a warning and keeps the text.
logging.disable(logging.CRITICAL)
problems = []
for statement in json.load(sys.stdin):
    try:
        # sqlglot takes all of a text for Athena's queries or all of it for its tables, so each statement is read alone.
        texts = statement["sql"].split(";\n\n") if statement["dialect"] == "athena" else [statement["sql"]]
        parsed = [tree for text in texts for tree in sqlglot.parse(text, read=statement["dialect"], error_level=sqlglot.ErrorLevel.RAISE)]
        # "DROP TABLE x" comes from a name of the test's, and is no statement of ours.
        trees = [tree for tree in parsed if tree]
        unknown = [one.sql() for tree in trees for one in tree.find_all(exp.Command)]
        unknown += [one.sql() for one in trees if isinstance(one, exp.Drop) and one.find(exp.Table).name == "x"]
        problem = f"not parsed: {unknown[0]}" if unknown else None
    except Exception as error:
        problem = str(error)
    if problem:
        problems.append({"name": statement["name"], "problem": problem[:2000]})
json.dump(problems, sys.stdout)
