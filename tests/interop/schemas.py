"""The JSON Schemas in man/schema, and what is wrong with records by them."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterable
from pathlib import Path

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).resolve().parents[2] / "man/schema"


@functools.cache
def published(name: str) -> dict:
    """A schema as readers get it: unknown types and fields are allowed."""
    return json.loads((SCHEMAS / f"{name}.json").read_text())


@functools.cache
def closed(name: str) -> Draft202012Validator:
    """The same for our own output: every type and field has to be described."""
    schema = copy.deepcopy(published(name))
    types = [kind for kind in schema["$defs"] if not kind.startswith("summary_")]
    for kind in types:
        # The columns of a table have names of their own.
        if "additionalProperties" not in schema["$defs"][kind]:
            schema["$defs"][kind]["unevaluatedProperties"] = False
    schema["properties"]["type"] = {"enum": types}
    return Draft202012Validator(schema)


def faults(records: Iterable[dict], name: str = "records") -> list[str]:
    """What is wrong with records, or with the lines of a file."""
    found = []
    for record in records:
        for error in closed(name).iter_errors(record):
            found.append(f"{record.get('type')}: {error.json_path}: {error.message[:300]}; scripts/dev/man.sh writes the schemas")
    return found
