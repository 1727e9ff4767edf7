"""A provider that speaks Anthropic's Messages and token counting."""

from __future__ import annotations

import json
from typing import Any, Iterator

from . import anthropic_requests
from .anthropic_blocks import refuse, signature_of
from .replies import Conversation, Reply, Usage, reply_to
from .upstream import Protocol, Rejected

PIECE_CHARACTERS = 6
STOP_REASONS = {
    "end": "end_turn",
    "stop-sequence": "stop_sequence",
    "length": "max_tokens",
    "tools": "tool_use",
    "refusal": "refusal",
}
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Anthropic(Protocol):
    name = "anthropic"

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def check_credential(self, headers: dict[str, str]) -> None:
        # Newer SDKs send the key as a bearer token, older ones in its own header; the API takes both.
        given = [headers.get("x-api-key"), (headers.get("authorization") or "").removeprefix("Bearer ") or None]
        if [one for one in given if one is not None] != [self._api_key]:
            raise Rejected("invalid x-api-key", status=401)

    def read(self, path: str, headers: dict[str, str], body: Any) -> Conversation | None:
        if not headers.get("anthropic-version"):
            raise refuse("anthropic-version: header is required")
        betas = headers.get("anthropic-beta") or ""
        return anthropic_requests.read(body, betas=betas) if path == "/v1/messages" else None

    def other(self, path: str, body: Any) -> dict[str, Any]:
        if path == "/v1/messages/count_tokens":
            anthropic_requests.read(body, is_count=True)
            return {"input_tokens": 14}
        if path == "/v1/models":
            return {"data": [_model("claude-model")], "has_more": False, "first_id": None, "last_id": None}
        raise Rejected("Not found", status=404)

    def whole(self, body: Any, conversation: Conversation) -> dict[str, Any]:
        reply = reply_to(conversation)
        message = _message(body, _usage(reply.usage))
        message["content"] = list(_blocks(reply))
        message["stop_reason"] = STOP_REASONS[reply.stop]
        message["stop_sequence"] = reply.stop_sequence
        return message

    def stream(self, body: Any, conversation: Conversation) -> Iterator[bytes]:
        reply = reply_to(conversation)
        started = _message(body, _usage(reply.usage) | {"output_tokens": 1})
        yield _event({"type": "message_start", "message": started})
        for at, block in enumerate(_blocks(reply)):
            yield _event({"type": "content_block_start", "index": at, "content_block": _emptied(block)})
            if at == 0:
                yield _event({"type": "ping"})
            for delta in _deltas(block):
                yield _event({"type": "content_block_delta", "index": at, "delta": delta})
            yield _event({"type": "content_block_stop", "index": at})
        delta = {"stop_reason": STOP_REASONS[reply.stop], "stop_sequence": reply.stop_sequence}
        yield _event({"type": "message_delta", "delta": delta, "usage": _delta_usage(reply.usage)})
        yield _event({"type": "message_stop"})

    def endless_piece(self, number: int, api: str) -> bytes:
        delta = {"type": "text_delta", "text": f"piece {number} "}
        return _event({"type": "content_block_delta", "index": 0, "delta": delta})

    def stream_error(self, api: str) -> bytes:
        return _event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})

    def error(self, rejected: Rejected) -> tuple[dict[str, Any], dict[str, str]]:
        kind = ERROR_TYPES.get(rejected.status, "api_error")
        body = {
            "type": "error",
            "error": {"type": kind, "message": rejected.message},
            "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy",
        }
        headers = {"request-id": "req_011CSHoEeqs5C35K2UUqR7Fy"}
        if rejected.status == 429:
            headers["retry-after"] = "7"
        return body, headers


def _message(body: dict[str, Any], usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": body["model"],
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "content": [],
        "container": None,
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage,
    }


def _blocks(reply: Reply) -> Iterator[dict[str, Any]]:
    if reply.thinking and reply.is_thinking_redacted:
        yield {"type": "redacted_thinking", "data": "redacted:RW5jcnlwdGVk"}
    elif reply.thinking:
        yield {"type": "thinking", "thinking": reply.thinking, "signature": signature_of(reply.thinking)}
    if reply.text is not None:
        yield {"type": "text", "text": reply.text}
    for at, call in enumerate(reply.tool_calls):
        yield {
            "type": "tool_use",
            "id": f"toolu_{at}1A09q90qw90lq917835lq9",
            "name": call.name,
            "input": call.arguments,
            "caller": {"type": "direct"},
        }


def _emptied(block: dict[str, Any]) -> dict[str, Any]:
    """A block as it looks when it starts, before its deltas."""
    empty = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {name: empty.get(name, value) if name != "type" else value for name, value in block.items()}


def _deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        for piece in _pieces(block["text"]):
            yield {"type": "text_delta", "text": piece}
    elif block["type"] == "thinking":
        for piece in _pieces(block["thinking"]):
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif block["type"] == "tool_use":
        yield {"type": "input_json_delta", "partial_json": ""}
        if block["input"]:
            for piece in _pieces(json.dumps(block["input"], ensure_ascii=False)):
                yield {"type": "input_json_delta", "partial_json": piece}


def _usage(usage: Usage) -> dict[str, Any]:
    # Cached tokens are counted beside input_tokens, never in them.
    return {
        "input_tokens": usage.uncached,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.cache_write, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


def _delta_usage(usage: Usage) -> dict[str, Any]:
    counted = _usage(usage)
    names = "input_tokens cache_creation_input_tokens cache_read_input_tokens output_tokens output_tokens_details"
    return {name: counted[name] for name in names.split()}


def _model(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
    }


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE_CHARACTERS] for at in range(0, len(text), PIECE_CHARACTERS)]


def _event(data: dict[str, Any]) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
