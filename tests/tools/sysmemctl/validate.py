#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds documents that sysmemctl printed against the schemas in docs/schemas.

    validate.py FOLDER < DOCUMENTS

DOCUMENTS is a JSON array of {"schema": "status", "label": "what printed it", "document": ...}. Ends
with 1, and says why on standard output, if a document does not have the form that its schema says,
if a schema is no schema, lets unknown fields pass, describes nothing, or has no document, or if a
document is still valid with an unknown field in one of its objects.

Debian's python3-jsonschema, hence Debian's interpreter.
"""

import copy
import json
import pathlib
import sys

import jsonschema
from jsonschema.exceptions import best_match

UNKNOWN = "no_schema_knows_this"
# In these anything may stand: they are copied out of a recording.
FREE = {"event", "recorded", "replayed"}


def subschemas(schema, path="#"):
    """It and all schemas in it, with their places."""
    yield path, schema
    for key, value in schema.items():
        if key in ("properties", "$defs"):  # names of any kind, then schemas
            for name, inner in value.items():
                yield from subschemas(inner, f"{path}/{key}/{name}")
        elif isinstance(value, dict):
            yield from subschemas(value, f"{path}/{key}")
        elif isinstance(value, list):
            for i, inner in enumerate(value):
                if isinstance(inner, dict):
                    yield from subschemas(inner, f"{path}/{key}/{i}")


def complaints_of_schema(name, schema):
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        yield f"{name}: {error.message}"
    if not schema.get("title") or not schema.get("description"):
        yield f"{name}: no title or no description"
    for path, one in subschemas(schema):
        if "properties" not in one:
            continue
        if one.get("additionalProperties") is not False:
            yield f"{name}: {path} lets unknown fields pass"
        for field, said in one["properties"].items():
            if not said.get("description"):
                yield f"{name}: {path} does not describe {field}"


def deepest_object(value, depth=0):
    """(depth, how to reach it) of an object in the document; none if there is none."""
    best = (depth, []) if isinstance(value, dict) else (-1, [])
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        if isinstance(inner, (dict, list)) and key not in FREE:
            found, way = deepest_object(inner, depth + 1)
            if found > best[0]:
                best = (found, [key, *way])
    return best


def with_unknown_field(document):
    changed = copy.deepcopy(document)
    depth, way = deepest_object(changed)
    if depth < 0:
        return None
    place = changed
    for key in way:
        place = place[key]
    place[UNKNOWN] = 1
    return changed


def main():
    folder = pathlib.Path(sys.argv[1])
    schemas = {file.name.removesuffix(".schema.json"): json.loads(file.read_text())
               for file in sorted(folder.glob("*.schema.json"))}
    complaints = [line for name, schema in schemas.items()
                  for line in complaints_of_schema(name, schema)]
    store = {schema["$id"]: schema for schema in schemas.values()}
    validators = {
        name: jsonschema.Draft202012Validator(
            schema, resolver=jsonschema.RefResolver(schema["$id"], schema, store=store))
        for name, schema in schemas.items()}
    documents = json.load(sys.stdin)
    for one in documents:
        validator = validators[one["schema"]]
        error = best_match(validator.iter_errors(one["document"]))
        if error is not None:
            complaints.append(f"{one['label']}: {error.json_path}: {error.message[:600]}")
            continue
        changed = with_unknown_field(one["document"])
        if changed is not None and validator.is_valid(changed):
            complaints.append(f"{one['label']}: {one['schema']} knows no unknown fields")
    without = set(schemas) - {one["schema"] for one in documents} - {"protocol"}
    complaints += [f"{name}: nothing was held against it" for name in sorted(without)]
    print("\n".join(complaints) if complaints else
          f"{len(documents)} documents have the form of {len(schemas)} schemas")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
