"""A provider that speaks Amazon Bedrock's Converse, with streams in frames of Amazon's event stream encoding."""

from __future__ import annotations

import json
import struct
from typing import Any, Iterator
from urllib.parse import unquote
from zlib import crc32

from . import bedrock_requests
from .bedrock_requests import REDACTED, SIGNATURE
from .replies import Conversation, Reply, Usage, reply_to
from .upstream import Protocol, Rejected

PIECE_CHARACTERS = 6
MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
STOP_REASONS = {
    "end": "end_turn",
    "stop-sequence": "stop_sequence",
    "length": "max_tokens",
    "tools": "tool_use",
    "refusal": "content_filtered",
}
TYPES = {
    400: "ValidationException",
    401: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


class Bedrock(Protocol):
    name = "bedrock"
    stream_type = "application/vnd.amazon.eventstream"

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def check_credential(self, headers: dict[str, str]) -> None:
        if headers.get("authorization") != f"Bearer {self._api_key}" or headers.get("x-api-key"):
            raise Rejected("Authentication failed: Please make sure your API Key is valid.", status=403)

    def is_streamed(self, path: str, body: Any) -> bool:
        return path.endswith("/converse-stream")

    def read(self, path: str, headers: dict[str, str], body: Any) -> Conversation | None:
        if not path.endswith(("/converse", "/converse-stream")):
            return None
        if unquote(path).split("/")[2] != MODEL:
            raise Rejected("The provided model identifier is invalid.")
        return bedrock_requests.read(body)

    def other(self, path: str, body: Any) -> dict[str, Any]:
        if path.endswith("/count-tokens"):
            bedrock_requests.read(body["input"]["converse"])
            return {"inputTokens": 42}
        raise Rejected(f"{path} is not found.", status=404)

    def whole(self, body: Any, conversation: Conversation) -> dict[str, Any]:
        reply = reply_to(conversation)
        content: list[dict[str, Any]] = []
        if reply.thinking and reply.is_thinking_redacted:
            content.append({"reasoningContent": {"redactedContent": REDACTED}})
        elif reply.thinking:
            content.append({"reasoningContent": {"reasoningText": {"text": reply.thinking, "signature": SIGNATURE}}})
        if reply.text:
            content.append({"text": reply.text})
        for at, call in enumerate(reply.tool_calls):
            content.append({"toolUse": {"toolUseId": f"tooluse_{at}", "name": call.name, "input": call.arguments}})
        return {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": STOP_REASONS[reply.stop],
            "usage": _usage(reply.usage),
            "metrics": {"latencyMs": 17},
        }

    def stream(self, body: Any, conversation: Conversation) -> Iterator[bytes]:
        reply = reply_to(conversation)
        yield _event("messageStart", {"role": "assistant"})
        for index, pieces in enumerate(_blocks(reply)):
            for kind, payload in pieces:
                yield _event(kind, {"contentBlockIndex": index, **payload, "p": "abcdefgh"})
            yield _event("contentBlockStop", {"contentBlockIndex": index})
        yield _event("messageStop", {"stopReason": STOP_REASONS[reply.stop]})
        yield _event("metadata", {"usage": _usage(reply.usage), "metrics": {"latencyMs": 17}})

    def endless_piece(self, number: int, api: str) -> bytes:
        return _event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": f"piece {number} "}})

    def stream_error(self, api: str) -> bytes:
        payload = json.dumps({"message": "The system encountered an unexpected error."}).encode()
        return _frame({":exception-type": "internalServerException", ":message-type": "exception"}, payload)

    def error(self, rejected: Rejected) -> tuple[dict[str, Any], dict[str, str]]:
        kind = TYPES.get(rejected.status, "ServiceUnavailableException")
        return {"message": rejected.message}, {"x-amzn-ErrorType": kind}


Block = list[tuple[str, dict[str, Any]]]


def _blocks(reply: Reply) -> Iterator[Block]:
    """The events of each block but its end."""
    if reply.thinking and reply.is_thinking_redacted:
        yield [("contentBlockDelta", {"delta": {"reasoningContent": {"redactedContent": REDACTED}}})]
    elif reply.thinking:
        thoughts = [{"text": piece} for piece in _pieces(reply.thinking)] + [{"signature": SIGNATURE}]
        yield [("contentBlockDelta", {"delta": {"reasoningContent": thought}}) for thought in thoughts]
    if reply.text:
        yield [("contentBlockDelta", {"delta": {"text": piece}}) for piece in _pieces(reply.text)]
    for at, call in enumerate(reply.tool_calls):
        start = {"start": {"toolUse": {"toolUseId": f"tooluse_{at}", "name": call.name}}}
        inputs = _pieces(json.dumps(call.arguments, ensure_ascii=False)) if call.arguments else []
        deltas = [("contentBlockDelta", {"delta": {"toolUse": {"input": piece}}}) for piece in inputs]
        yield [("contentBlockStart", start), *deltas]


def _usage(usage: Usage) -> dict[str, Any]:
    counted: dict[str, Any] = {
        "inputTokens": usage.uncached,
        "outputTokens": usage.output,
        "totalTokens": usage.uncached + usage.cache_read + usage.cache_write + usage.output,
    }
    if usage.cache_read or usage.cache_write:
        counted |= {"cacheReadInputTokens": usage.cache_read, "cacheWriteInputTokens": usage.cache_write}
    return counted


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE_CHARACTERS] for at in range(0, len(text), PIECE_CHARACTERS)]


def _event(kind: str, payload: dict[str, Any]) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return _frame(headers, json.dumps(payload, ensure_ascii=False).encode())


def _frame(headers: dict[str, str], payload: bytes) -> bytes:
    """A message of <https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html>, read 2026-11-26."""
    head = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    before = prelude + struct.pack(">I", crc32(prelude)) + head + payload
    return before + struct.pack(">I", crc32(before))
