"""Checks and reads the content blocks of Messages requests."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from .replies import Conversation
from .upstream import Rejected

# Block type: fields it must have, fields it may have.
FIELDS = {
    "text": ({"text"}, {"cache_control", "citations"}),
    "image": ({"source"}, {"cache_control", "transformations"}),
    "document": ({"source"}, {"cache_control", "citations", "context", "title"}),
    "thinking": ({"thinking", "signature"}, set()),
    "redacted_thinking": ({"data"}, set()),
    "tool_use": ({"id", "name", "input"}, {"cache_control", "caller"}),
    "tool_result": ({"tool_use_id"}, {"content", "is_error", "cache_control"}),
}
ALLOWED = {
    "user": ("text", "image", "document", "tool_result"),
    "assistant": ("text", "thinking", "redacted_thinking", "tool_use"),
    "tool": ("text", "image", "document"),
}
SOURCE_FIELDS = {
    "base64": {"type", "media_type", "data"},
    "url": {"type", "url"},
    "text": {"type", "media_type", "data"},
}
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
TOOL_USE_ID = re.compile(r"^[a-zA-Z0-9_-]+$")


def refuse(message: str) -> Rejected:
    return Rejected(message)


def signature_of(thinking: str) -> str:
    """Signs thinking text; only text this fake wrote verifies."""
    return base64.b64encode(hashlib.sha256(b"fake-signing-key" + thinking.encode()).digest()).decode()


def check_fields(block: dict[str, Any], path: str) -> None:
    kind = block.get("type")
    if kind not in FIELDS:
        raise refuse(f"{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    needed, optional = FIELDS[kind]
    for name in needed - set(block):
        raise refuse(f"{path}.{kind}.{name}: Field required")
    for name in set(block) - needed - optional - {"type"}:
        raise refuse(f"{path}.{kind}.{name}: Extra inputs are not permitted")


def read(blocks: list[dict[str, Any]], role: str, path: str, conversation: Conversation) -> list[str]:
    """Checks one message's blocks, files what they carry, returns their texts."""
    texts = []
    for at, block in enumerate(blocks):
        here = f"{path}.content.{at}"
        check_fields(block, here)
        kind = block["type"]
        if kind not in ALLOWED[role]:
            raise refuse(f"{here}: `{kind}` blocks are not allowed in {role} messages")
        if kind == "text":
            if not block["text"].strip():
                raise refuse("messages: text content blocks must be non-empty")
            texts.append(block["text"])
        elif kind == "image":
            conversation.images.append(_describe_source(block["source"], here, IMAGE_TYPES))
        elif kind == "document":
            described = _describe_source(block["source"], here, ("application/pdf", "text/plain"))
            conversation.documents.append(" ".join(filter(None, (block.get("title"), described))))
        elif kind == "thinking":
            if block["signature"] != signature_of(block["thinking"]):
                raise refuse(f"{here}: Invalid `signature` in `thinking` block")
        elif kind == "redacted_thinking":
            if not block["data"].startswith("redacted:"):
                raise refuse(f"{here}: Invalid `data` in `redacted_thinking` block")
        elif kind == "tool_use":
            _check_tool_use(block, here)
        else:
            conversation.tool_results.append(_read_tool_result(block, here, conversation))
    return texts


def _check_tool_use(block: dict[str, Any], path: str) -> None:
    if not TOOL_USE_ID.match(block["id"]):
        raise refuse(f"{path}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not isinstance(block["input"], dict):
        raise refuse(f"{path}.tool_use.input: Input should be a valid dictionary")


def _read_tool_result(block: dict[str, Any], path: str, conversation: Conversation) -> str:
    content = block.get("content", "")
    text = content if isinstance(content, str) else " ".join(read(content, "tool", path, conversation))
    return f"(error) {text}" if block.get("is_error") else text


def _describe_source(source: dict[str, Any], path: str, media_types: tuple[str, ...]) -> str:
    kind = source.get("type")
    if kind not in SOURCE_FIELDS:
        raise refuse(f"{path}.source: Input tag '{kind}' does not match any of the expected tags")
    for name in set(source) ^ SOURCE_FIELDS[kind]:
        problem = "Extra inputs are not permitted" if name in source else "Field required"
        raise refuse(f"{path}.source.{kind}.{name}: {problem}")
    if kind == "url":
        return f"url {source['url']}"
    if source["media_type"] not in media_types:
        raise refuse(f"{path}.source.{kind}.media_type: Input should be one of {', '.join(media_types)}")
    if kind == "text":
        return f"text/plain {len(source['data'].encode())} bytes"
    try:
        size = len(base64.b64decode(source["data"], validate=True))
    except ValueError as error:
        raise refuse(f"{path}.source.base64.data: Invalid base64 data") from error
    return f"{source['media_type']} {size} bytes"
