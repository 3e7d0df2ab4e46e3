"""Message classes from the text of a `.proto` file, for the few messages of TensorFlow that tensorboard lacks.

Understands messages, nested messages, enums, `repeated`, `oneof` and `map`, which is what those files use.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

_TOKEN = re.compile(r"//[^\n]*|\w[\w.]*|[{}=;<>,]")
_SCALARS = {
    "double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "fixed64": 6, "fixed32": 7, "bool": 8, "string": 9,
    "bytes": 12, "uint32": 13, "sfixed32": 15, "sfixed64": 16, "sint32": 17, "sint64": 18,
}  # fmt: skip
_REPEATED, _OPTIONAL = 3, 1


@functools.cache
def message_classes(name: str, schema: str, imports: Sequence[str] = ()) -> SimpleNamespace:
    r"""The classes of the messages of a schema, as attributes.

    Args:
      name: the name of the file, unlike that of any other.
      schema: the messages in proto3's syntax.
      imports: modules of tensorboard's messages whose types the schema names, such as `"tensor_shape"`.

    Example:
      >>> from penstock.io.proto_schema import message_classes
      >>> classes = message_classes("example_of_a_point", "message Point { int32 x = 1; repeated float y = 2; }")
      >>> classes.Point(x=1, y=[2.0]).SerializeToString()
      b'\x08\x01\x12\x04\x00\x00\x00@'
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name=f"penstock/{name}.proto", syntax="proto3")
    file.package = f"penstock.{name}"
    known: dict[str, str] = {}
    for each in imports:
        module = importlib.import_module(f"tensorboard.compat.proto.{each}_pb2")
        file.dependency.append(module.DESCRIPTOR.name)
        for kinds in (module.DESCRIPTOR.message_types_by_name, module.DESCRIPTOR.enum_types_by_name):
            known |= {short: f".{kind.full_name}" for short, kind in kinds.items()}
    _Parser(schema, file, known).parse()
    pool = descriptor_pool.Default()
    pool.Add(file)
    found = pool.FindFileByName(file.name)
    messages = {
        short: message_factory.GetMessageClass(each) for short, each in found.message_types_by_name.items()
    }
    return SimpleNamespace(**messages, DESCRIPTOR=found)


class _Parser:
    """Fills a FileDescriptorProto from the tokens of a schema."""

    def __init__(self, schema: str, file: Any, known: dict[str, str]):
        tokens = [each for each in _TOKEN.findall(schema) if not each.startswith("//")]
        self._tokens = iter(tokens)
        self._file, self._known = file, known
        # Every message is known before its fields are read: they may name each other.
        scope = [file.package]
        for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""]):
            if before in ("message", "enum") and after == "{":
                known[token] = "." + ".".join([*scope, token])
            if token == "{":
                scope.append(before)
            elif token == "}":
                scope.pop()

    def parse(self) -> None:
        for token in self._tokens:
            if token == "message":
                self._message(self._file.message_type.add())
            elif token == "enum":
                self._enum(self._file.enum_type.add())
            else:
                raise ValueError(f"a schema has {token!r} where a message or an enum must begin")

    def _expect(self, wanted: str) -> None:
        found = next(self._tokens)
        if found != wanted:
            raise ValueError(f"a schema has {found!r} where {wanted!r} was expected")

    def _enum(self, enum: Any) -> None:
        enum.name = next(self._tokens)
        self._expect("{")
        for token in self._tokens:
            if token == "}":
                return
            self._expect("=")
            enum.value.add(name=token, number=int(next(self._tokens)))
            self._expect(";")

    def _message(self, message: Any) -> None:
        message.name = next(self._tokens)
        self._expect("{")
        for token in self._tokens:
            if token == "}":
                return
            if token == "message":
                self._message(message.nested_type.add())
            elif token == "enum":
                self._enum(message.enum_type.add())
            elif token == "oneof":
                message.oneof_decl.add(name=next(self._tokens))
                self._expect("{")
                for kind in self._tokens:
                    if kind == "}":
                        break
                    self._field(message, kind, _OPTIONAL).oneof_index = len(message.oneof_decl) - 1
            elif token == "map":
                self._map(message)
            elif token == "repeated":
                self._field(message, next(self._tokens), _REPEATED)
            else:
                self._field(message, token, _OPTIONAL)

    def _field(self, message: Any, kind: str, label: int) -> Any:
        field = message.field.add(name=next(self._tokens), label=label)
        self._expect("=")
        field.number = int(next(self._tokens))
        self._expect(";")
        self._set_type(field, kind)
        return field

    def _set_type(self, field: Any, kind: str) -> None:
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
        elif kind in self._known:
            field.type_name = self._known[kind]
        else:
            raise ValueError(f"a schema names the type {kind!r}, which it does not define")

    def _map(self, message: Any) -> None:
        """`map<key, value> name = number;` is a repeated message of entries."""
        self._expect("<")
        key = next(self._tokens)
        self._expect(",")
        value = next(self._tokens)
        self._expect(">")
        field = message.field.add(name=next(self._tokens), label=_REPEATED)
        self._expect("=")
        field.number = int(next(self._tokens))
        self._expect(";")
        entry = message.nested_type.add(name=f"{field.name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        for number, (name, kind) in enumerate((("key", key), ("value", value)), 1):
            self._set_type(entry.field.add(name=name, number=number, label=_OPTIONAL), kind)
        scope = f".{self._file.package}.{message.name}"
        field.type_name = f"{scope}.{entry.name}"
