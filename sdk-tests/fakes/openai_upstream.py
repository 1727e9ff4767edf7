"""A provider that speaks OpenAI's Chat Completions, Responses and Embeddings, and what `openai_media` has.

Two faces at one address: `/v1` is a compatible server (it returns `reasoning_content`, as DeepSeek and vLLM do);
`/strict/v1` is OpenAI itself serving a reasoning model (no reasoning text, no `max_tokens`, no foreign fields).
"""

from __future__ import annotations

import base64
import json
import struct
import time
from typing import Any, Iterator

from . import openai_media, openai_requests, responses_replies, responses_requests
from .replies import Conversation, Reply, Usage, reply_to
from .upstream import Protocol, Raw, Rejected

PIECE_CHARACTERS = 6
EMBEDDING_DIMENSIONS = 8
FINISH_REASONS = {
    "end": "stop",
    "stop-sequence": "stop",
    "length": "length",
    "tools": "tool_calls",
    "refusal": "content_filter",
}
ERROR_TYPES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


class OpenAi(Protocol):
    name = "openai"

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def check_credential(self, headers: dict[str, str]) -> None:
        # A second credential can only be the caller's own, leaked through.
        if headers.get("authorization") != f"Bearer {self._api_key}" or headers.get("x-api-key"):
            raise Rejected("Incorrect API key provided.", status=401)

    def read(self, path: str, headers: dict[str, str], body: Any) -> Conversation | None:
        if path in ("/v1/chat/completions", "/strict/v1/chat/completions"):
            conversation = openai_requests.read(body, is_strict=path.startswith("/strict"))
            if path.startswith("/strict"):
                conversation.is_thinking_on = False
            return conversation
        if path == "/v1/responses":
            return responses_requests.read(body)
        return None

    def other(self, path: str, body: Any) -> dict[str, Any] | Raw:
        if path.endswith("/v1/embeddings"):
            return _embeddings(body)
        if media := openai_media.answer(path, body):
            return media
        if path.endswith("/v1/models"):
            return {"object": "list", "data": [_model("chat-model"), _model("embedding-model")]}
        if "/v1/models/" in path:
            return _model(path.rsplit("/", 1)[1])
        raise Rejected(f"Unknown request URL: {path}.", status=404, code="unknown_url")

    def whole(self, body: Any, conversation: Conversation) -> dict[str, Any]:
        if conversation.api == "responses":
            return responses_replies.whole(body, conversation)
        reply = reply_to(conversation)
        message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None, "annotations": []}
        if reply.thinking:
            message["reasoning_content"] = reply.thinking
        if reply.tool_calls:
            message["tool_calls"] = [_tool_call(reply, n) for n in range(len(reply.tool_calls))]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": FINISH_REASONS[reply.stop],
        }
        return _envelope(body, "chat.completion", [choice]) | {"usage": _usage(reply.usage)}

    def stream(self, body: Any, conversation: Conversation) -> Iterator[bytes]:
        if conversation.api == "responses":
            yield from responses_replies.stream(body, conversation)
            return
        reply = reply_to(conversation)
        wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        for delta in _deltas(reply):
            yield _chunk(body, delta, None, wants_usage)
        yield _chunk(body, {}, FINISH_REASONS[reply.stop], wants_usage)
        if wants_usage:
            yield _event(_envelope(body, "chat.completion.chunk", []) | {"usage": _usage(reply.usage)})
        yield b"data: [DONE]\n\n"

    def endless_piece(self, number: int, api: str) -> bytes:
        if api == "responses":
            return responses_replies.endless_piece(number)
        return _chunk({"model": "chat-model"}, {"content": f"piece {number} "}, None, False)

    def stream_error(self, api: str) -> bytes:
        if api == "responses":
            return responses_replies.stream_error()
        message = "The server had an error while processing your request."
        return _event({"error": {"message": message, "type": "server_error", "param": None, "code": None}})

    def error(self, rejected: Rejected) -> tuple[dict[str, Any], dict[str, str]]:
        kind, code = ERROR_TYPES.get(rejected.status, ("server_error", None))
        code = rejected.fields.get("code") or code
        error = {"message": rejected.message, "type": kind, "param": rejected.fields.get("param"), "code": code}
        headers = {"x-request-id": "req_0123456789abcdef"}
        if rejected.status == 429:
            headers |= {"retry-after": "7", "retry-after-ms": "7000"}
        return {"error": error}, headers


def _envelope(body: dict[str, Any], kind: str, choices: list[Any]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": kind,
        "created": int(time.time()),
        "model": body["model"],
        "choices": choices,
        "service_tier": "default",
        "system_fingerprint": "fp_50cad350e4",
    }


def _chunk(body: dict[str, Any], delta: dict[str, Any], finish_reason: str | None, wants_usage: bool) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    chunk = _envelope(body, "chat.completion.chunk", [choice])
    if wants_usage:
        chunk["usage"] = None
    return _event(chunk | {"obfuscation": "a1B2c3"})


def _deltas(reply: Reply) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if reply.tool_calls and not reply.text else "", "refusal": None}
    for piece in _pieces(reply.thinking or ""):
        yield {"reasoning_content": piece}
    for piece in _pieces(reply.text or ""):
        yield {"content": piece}
    for at in range(len(reply.tool_calls)):
        call = _tool_call(reply, at)
        arguments = call["function"]["arguments"]
        call["function"] = call["function"] | {"arguments": ""}
        yield {"tool_calls": [{"index": at} | call]}
        for piece in _pieces(arguments):
            yield {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}


def _tool_call(reply: Reply, at: int) -> dict[str, Any]:
    call = reply.tool_calls[at]
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return {"id": f"call_{at}x8Kq2mTzLr5WvYbN", "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _usage(usage: Usage) -> dict[str, Any]:
    # Cached tokens, read and written, are part of prompt_tokens.
    prompt = usage.uncached + usage.cache_read + usage.cache_write
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    for name in set(body) - {"model", "input", "dimensions", "encoding_format", "user"}:
        raise openai_requests.unknown(name)
    given = body.get("input")
    if not given:
        raise openai_requests.refuse("'$.input' is invalid.", "input")
    inputs = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    size = body.get("dimensions") or EMBEDDING_DIMENSIONS
    data = []
    for at, one in enumerate(inputs):
        vector: Any = [(len(one) + n) / 16 for n in range(size)]
        if body.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
        data.append({"object": "embedding", "index": at, "embedding": vector})
    usage = {"prompt_tokens": 10 * len(inputs), "total_tokens": 10 * len(inputs)}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "fake"}


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE_CHARACTERS] for at in range(0, len(text), PIECE_CHARACTERS)]


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
