"""Reads forms (`multipart/form-data`), the way SDKs send files."""

from __future__ import annotations

import hashlib
import re
from typing import Any

BOUNDARY = re.compile(r'boundary="?([^";]+)"?')


def is_form(headers: dict[str, str]) -> bool:
    return headers.get("content-type", "").startswith("multipart/form-data")


def read(content_type: str, raw: bytes) -> dict[str, Any] | None:
    """The fields by their names, one that ends with `[]` as a list. Of a file what it is called, its type, size and hash.
    None for what is no whole form."""
    boundary = BOUNDARY.search(content_type)
    if not boundary:
        return None
    # A first line end, so that every boundary begins with one.
    before, *parts = (b"\r\n" + raw).split(b"\r\n--" + boundary.group(1).encode())
    if before or not parts or not parts.pop().startswith(b"--"):
        return None
    fields: dict[str, Any] = {}
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        name, value = _field(head.decode("utf-8", "replace"), content)
        if name.endswith("[]"):
            fields.setdefault(name, []).append(value)
        else:
            fields[name] = value
    return fields


def _field(head: str, content: bytes) -> tuple[str, Any]:
    told = dict(re.findall(r'(name|filename)="([^"]*)"', head))
    if "filename" not in told:
        return told.get("name", ""), content.decode("utf-8", "replace")
    kind = re.search(r"(?im)^content-type: *(\S+)", head)
    file = {
        "filename": told["filename"],
        "type": kind.group(1) if kind else None,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return told["name"], file
