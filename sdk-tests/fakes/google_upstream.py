"""A provider that speaks Google's `generateContent`, and makes vectors."""

from __future__ import annotations

import json
from typing import Any, Iterator

from . import google_embeddings, google_requests
from .google_requests import SIGNATURES
from .replies import Conversation, Reply, Usage, reply_to
from .upstream import Protocol, Rejected

PIECE_CHARACTERS = 6
MODEL = "gemini-3-flash-preview"
FINISH_REASONS = {"end": "STOP", "stop-sequence": "STOP", "length": "MAX_TOKENS", "tools": "STOP", "refusal": "SAFETY"}
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}


class Google(Protocol):
    name = "google"

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def check_credential(self, headers: dict[str, str]) -> None:
        # A second credential can only be the caller's own, leaked through.
        if headers.get("x-goog-api-key") != self._api_key or headers.get("authorization"):
            raise Rejected("API key not valid. Please pass a valid API key.", status=401)

    def is_streamed(self, path: str, body: Any) -> bool:
        return path.endswith(":streamGenerateContent")

    def read(self, path: str, headers: dict[str, str], body: Any) -> Conversation | None:
        if path.startswith(("/v1beta/models/", "/v1/models/")) and path.endswith((":generateContent", ":streamGenerateContent")):
            return google_requests.read(body)
        return None

    def other(self, path: str, body: Any) -> dict[str, Any]:
        if path.endswith(":countTokens"):
            return {"totalTokens": 42, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 42}]}
        if (vectors := google_embeddings.answer(path, body)) is not None:
            return vectors
        raise Rejected(f"{path} is not found for API version v1beta.", status=404)

    def whole(self, body: Any, conversation: Conversation) -> dict[str, Any]:
        reply = reply_to(conversation)
        return _answer(list(_parts(reply, 1 << 20)), FINISH_REASONS[reply.stop], _usage(reply.usage))

    def stream(self, body: Any, conversation: Conversation) -> Iterator[bytes]:
        reply = reply_to(conversation)
        for part in _parts(reply, PIECE_CHARACTERS):
            yield _event(_answer([part], None, {"promptTokenCount": 100, "totalTokenCount": 100}))
        yield _event(_answer([{"text": ""}], FINISH_REASONS[reply.stop], _usage(reply.usage)))

    def endless_piece(self, number: int, api: str) -> bytes:
        return _event(_answer([{"text": f"piece {number} "}], None, {"promptTokenCount": 100, "totalTokenCount": 100}))

    def stream_error(self, api: str) -> bytes:
        return _event(_error(500, "An internal error has occurred."))

    def error(self, rejected: Rejected) -> tuple[dict[str, Any], dict[str, str]]:
        return _error(rejected.status, rejected.message), {}


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": STATUSES.get(status, "UNAVAILABLE")}}


def _answer(parts: list[Any], finish_reason: str | None, usage: dict[str, Any]) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish_reason:
        candidate["finishReason"] = finish_reason
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": MODEL, "responseId": "mAitaLmkHPPlz7IPvt"}


def _parts(reply: Reply, size: int) -> Iterator[dict[str, Any]]:
    for piece in _pieces(reply.thinking or "", size):
        yield {"text": piece, "thought": True}
    for piece in _pieces(reply.text or "", size):
        yield {"text": piece}
    for at, call in enumerate(reply.tool_calls):
        part: dict[str, Any] = {"functionCall": {"name": call.name, "args": call.arguments, "id": f"fc{at}"}}
        # The first of several calls at once is signed for all of them.
        yield part if at else part | {"thoughtSignature": SIGNATURES[0]}


def _usage(usage: Usage) -> dict[str, Any]:
    prompt = usage.uncached + usage.cache_read + usage.cache_write
    counted = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "totalTokenCount": prompt + usage.output,
    }
    if usage.reasoning:
        counted["thoughtsTokenCount"] = usage.reasoning
    if usage.cache_read:
        counted["cachedContentTokenCount"] = usage.cache_read
    return counted


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\r\n\r\n".encode()
