#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/schemas/protocol.schema.json: the messages of the Inspect service as JSON Schema.

    tools/make_schemas.py           writes it
    tools/make_schemas.py --check   ends with 1 if what is there is not what would be written

What `sysmemctl --json` hands through from the daemon has the form of these messages, so their
schema is made out of the protocol (proto/sysmem2) and its comments. The schemas beside it, of what
sysmemctl itself writes, refer to it and are written by hand.

Needs protoc and Debian's python3-protobuf (hence Debian's interpreter).
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2

ROOT = pathlib.Path(__file__).resolve().parent.parent
MADE = ROOT / "docs/schemas/protocol.schema.json"
# What is said of them leads to all others.
FIRST = ["GetStatusResult", "HeapInfo", "CollectionSummary", "CollectionDetail", "SessionInfo",
         "WatchEvent"]

# Where the protocol lets a name speak for itself. A name alone holds for every message.
SAID_HERE = {
    "GetStatusResult": "Figures of the whole daemon.",
    "GetStatusResult.version": "The daemon's version.",
    "GetStatusResult.pid": "Process id of the daemon.",
    "GetStatusResult.uid": "User id of the daemon.",
    "GetStatusResult.uptime_ns": "Since the daemon started.",
    "GetStatusResult.collections": "Logical collections now.",
    "GetStatusResult.nodes": "Nodes now: tokens, collections and groups.",
    "GetStatusResult.live_bytes": "Bytes of the live buffers.",
    "GetStatusResult.descriptors_limit": "How many descriptors the daemon may have open.",
    "GetStatusResult.resident_bytes": "Memory of the daemon itself.",
    "GetStatusResult.limits": "Every limit, its reason and how much of it is used.",
    "Counter": "Something that the daemon counts.",
    "HeapProperties": "What a heap says about its memory.",
    "HeapPolicy": "Who may use a heap, and how much of it.",
    "CollectionDetail": "One logical collection in full.",
    "CollectionSummary": "One logical collection in short.",
    "NodeInfo": "A token, a collection or a group in the tree of a logical collection.",
    "BufferInfo": "One buffer and those who hold it.",
    "SessionInfo": "A client's connection.",
    "WatchEvent": "Something that happened in the daemon.",
    "WatchEvent.kind": "What happened.",
    "WatchEvent.collection_name": "The collection's name, SetName's, if anybody has named it.",
    "WatchEvent.node_id": "The node that it happened to.",
    "WatchEvent.node_kind": "What that node is.",
    "WatchEvent.debug_name": "The node's, as its client calls itself.",
    "WatchEvent.peer": "The process that it is about.",
    "WatchEvent.buffers": "How many buffers the allocation is of.",
    "WatchEvent.heap": "The heap that it is about, or that the buffers come from.",
    "WatchEvent.duration_ns": "How long it took.",
    "WatchEvent.buffer_index": "The buffer that it is about.",
    "WatchEvent.error": "The error that those who wait are told.",
    "WatchEvent.rule": "The rule that decided.",
    "abilities": "What the heap can promise about the descriptors it hands out.",
    "age_ns": "Since it began.",
    "buffer_collection_id": "Id of the logical collection, the same for all participants.",
    "bytes": "Bytes of these buffers.",
    "bytes_held": "Bytes of the buffers held.",
    "calls_held": "Calls that came and are held back until those before them have come.",
    "coherency_domain": "How participants keep what they see of the memory coherent.",
    "command": "What the process calls itself.",
    "cpu_supported": "Serves COHERENCY_DOMAIN_CPU.",
    "debug_id": "SetDebugClientInfo's number, or inherited.",
    "ended_ago_ns": "How long ago the session ended; set if it did.",
    "failure_mode": "Whom the failure of this node takes along.",
    "gid": "Group id, as the kernel reported it.",
    "handle": "The number by which its session calls it.",
    "heaps": "The heaps.",
    "height": "Rows.",
    "inaccessible_supported": "Serves COHERENCY_DOMAIN_INACCESSIBLE.",
    "index": "The buffer's index, the same for all participants.",
    "inode": "st_ino of the buffer's file.",
    "is_physically_contiguous": "Each buffer is one range of physical addresses.",
    "is_secure": "No CPU can reach the memory.",
    "live_buffers": "Buffers whose memory is not back with its heap.",
    "live_bytes": "Bytes of these buffers.",
    "max_bytes": "Cap of the bytes that live of the heap. Absent: none.",
    "max_bytes_per_user": "Cap of the bytes by collections that one user began. Absent: none.",
    "node_id": "Id of the node, unique while the daemon runs.",
    "nodes": "Its nodes.",
    "open": "The session has not ended.",
    "outcome": "What kind of failure it is.",
    "peer": "The process at the other side.",
    "pid": "Process id, as the kernel reported it; may have gone to another process since.",
    "properties": "What the heap says about its memory.",
    "ram_supported": "Serves COHERENCY_DOMAIN_RAM.",
    "read_only": "It was handed out without the right to write.",
    "read_only_enforced": "The kernel holds the process to that.",
    "reason": "Why the session ended.",
    "remedy": "What to do about it.",
    "session_id": "Id of the session, unique while the daemon runs.",
    "state": "How it stands.",
    "summary": "The collection in short.",
    "uid": "User id, as the kernel reported it.",
    "users": "User ids that may use the heap besides root and the daemon's own.",
    "value": "The figure.",
    "verbose_logging": "SetVerboseLogging was received.",
    "waits_pending": "WaitForAllBuffersAllocated calls not answered yet.",
    "weak": "Weak: does not keep buffers alive.",
    "weak_ok": "SetWeakOk was received.",
    "weak_ok_for_child_nodes_also": "SetWeakOk holds for the nodes below as well.",
    "width": "Columns.",
}

FIELD = descriptor_pb2.FieldDescriptorProto
WIDE = {FIELD.TYPE_UINT64, FIELD.TYPE_FIXED64, FIELD.TYPE_INT64}
NARROW = {FIELD.TYPE_UINT32, FIELD.TYPE_FIXED32}


def descriptors():
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(
            ["protoc", f"--proto_path={ROOT / 'proto'}", "--include_imports",
             "--include_source_info", f"--descriptor_set_out={file.name}", "sysmem2/inspect.proto"],
            check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(file.name).read_bytes())


def words(name):
    """"BufferInfo" and "age_ns" as a title."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("_", " ").lower()
    return spaced[0].upper() + spaced[1:]


class Book:
    def __init__(self, files):
        self.messages, self.enums, self.comments = {}, {}, {}
        for file in files.file:
            for place in file.source_code_info.location:
                text = " ".join(place.leading_comments.split())
                self.comments[file.name, tuple(place.path)] = text
            for i, message in enumerate(file.message_type):
                self.messages[f".{file.package}.{message.name}"] = (file.name, i, message)
            for enum in file.enum_type:
                self.enums[f".{file.package}.{enum.name}"] = enum
        self.defs = {}

    def said(self, file, path, *names):
        for text in [self.comments.get((file, path)), *map(SAID_HERE.get, names)]:
            if text:
                return text
        sys.exit(f"make_schemas: {names[0]} has no comment in {file}, and SAID_HERE has none either")

    def kind(self, field):
        """The schema of one value of the field."""
        if field.type == FIELD.TYPE_MESSAGE:
            self.add(field.type_name)
            return {"$ref": "#/$defs/" + field.type_name.rsplit(".", 1)[1]}
        if field.type == FIELD.TYPE_ENUM:
            return {"enum": [value.name for value in self.enums[field.type_name].value]}
        if field.type in WIDE:
            sign = "-?" if field.type == FIELD.TYPE_INT64 else ""
            return {"type": "string", "pattern": f"^{sign}[0-9]+$"}
        if field.type in NARROW:
            return {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
        return {FIELD.TYPE_BOOL: {"type": "boolean"}, FIELD.TYPE_STRING: {"type": "string"}}[
            field.type]

    def property_of(self, field, description):
        schema = {"title": words(field.name), "description": description}
        if field.name.endswith("_ns"):
            schema["x-unit"] = "ns"
        elif "bytes" in field.name or field.name == "raw_vmo_size":
            schema["x-unit"] = "bytes"
        kind = self.kind(field)
        if field.label == FIELD.LABEL_REPEATED:
            return {**schema, "type": "array", "items": kind}
        return {**schema, **kind}

    def add(self, type_name):
        file, i, message = self.messages[type_name]
        if message.name in self.defs:
            return
        self.defs[message.name] = {}  # keeps its place, also from itself
        properties, required = {}, []
        for k, field in enumerate(message.field):
            description = self.said(file, (4, i, 2, k), f"{message.name}.{field.name}", field.name)
            properties[field.name] = self.property_of(field, description)
            # Without presence: it is always printed.
            if not field.proto3_optional and (field.label == FIELD.LABEL_REPEATED
                                              or field.type != FIELD.TYPE_MESSAGE):
                required.append(field.name)
        self.defs[message.name] = {
            "title": words(message.name),
            "description": self.said(file, (4, i), message.name),
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }


def made():
    book = Book(descriptors())
    for name in FIRST:
        book.add(f".sysmem2.{name}")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "protocol.schema.json",
        "title": "What sysmemd tells of itself",
        "description": "Made by tools/make_schemas.py out of proto/sysmem2. 64-bit numbers are "
                       "strings, as in Protobuf's JSON form; x-unit is the unit of a number.",
        "$defs": dict(sorted(book.defs.items())),
    }
    return json.dumps(schema, indent=1) + "\n"


def main():
    text = made()
    if sys.argv[1:] == ["--check"]:
        if not MADE.exists() or MADE.read_text() != text:
            sys.exit(f"{MADE} is not what the protocol says: run tools/make_schemas.py")
    elif len(sys.argv) == 1:
        MADE.write_text(text)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
