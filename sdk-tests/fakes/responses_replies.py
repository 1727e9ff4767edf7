"""How answers of OpenAI's Responses API look, whole and streamed."""

from __future__ import annotations

import json
import time
from typing import Any, Iterator

from .replies import Conversation, Reply, Usage, reply_to
from .responses_requests import ENCRYPTED, REASONING_ID

PIECE_CHARACTERS = 6
RESPONSE_ID = "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b"
REPEATED = (
    "instructions max_output_tokens metadata parallel_tool_calls previous_response_id reasoning store temperature text"
    " tool_choice tools top_p truncation user"
).split()
DEFAULTS = {
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
}


def whole(body: dict[str, Any], conversation: Conversation) -> dict[str, Any]:
    reply = reply_to(conversation)
    return _finished(body, reply, _items(body, reply))


def stream(body: dict[str, Any], conversation: Conversation) -> Iterator[bytes]:
    reply = reply_to(conversation)
    events = _events(body, reply)
    for number, event in enumerate(events):
        yield _frame(event | {"sequence_number": number})


def endless_piece(number: int) -> bytes:
    piece = {"item_id": "msg_0", "output_index": 0, "content_index": 0, "delta": f"piece {number} ", "logprobs": []}
    return _frame({"type": "response.output_text.delta", "sequence_number": 4 + number} | piece)


def stream_error() -> bytes:
    message = "The server had an error while processing your request."
    error = {"type": "server_error", "code": "server_error", "message": message, "param": None}
    return _frame({"type": "error", "error": error, "sequence_number": 4})


def _frame(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def _envelope(body: dict[str, Any], status: str) -> dict[str, Any]:
    repeated = {name: body.get(name) if body.get(name) is not None else DEFAULTS.get(name) for name in REPEATED}
    return {
        "id": RESPONSE_ID,
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": body["model"],
        "output": [],
        "service_tier": "default",
        "usage": None,
    } | repeated


def _finished(body: dict[str, Any], reply: Reply, items: list[dict[str, Any]]) -> dict[str, Any]:
    is_cut = reply.stop == "length"
    answer = _envelope(body, "incomplete" if is_cut else "completed")
    answer["incomplete_details"] = {"reason": "max_output_tokens"} if is_cut else None
    return answer | {"output": items, "usage": _usage(reply.usage)}


def _items(body: dict[str, Any], reply: Reply) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if reply.thinking:
        is_encrypted = "reasoning.encrypted_content" in (body.get("include") or [])
        items.append(_reasoning(reply.thinking, is_encrypted))
    if reply.text is not None:
        items.append(_message(reply, len(items)))
    for call in reply.tool_calls:
        arguments = json.dumps(call.arguments, ensure_ascii=False)
        at = len(items)
        ids = {"id": f"fc_{at}", "call_id": f"call_{at}x8Kq2mTzLr5WvYbN"}
        items.append({"type": "function_call", **ids, "name": call.name, "arguments": arguments, "status": "completed"})
    return items


def _reasoning(text: str, is_encrypted: bool) -> dict[str, Any]:
    item = {"type": "reasoning", "id": REASONING_ID, "summary": [{"type": "summary_text", "text": text}]}
    return item | ({"encrypted_content": f"{ENCRYPTED}{len(text)}"} if is_encrypted else {})


def _part(reply: Reply) -> dict[str, Any]:
    if reply.stop == "refusal":
        return {"type": "refusal", "refusal": reply.text}
    return {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}


def _message(reply: Reply, at: int) -> dict[str, Any]:
    status = "incomplete" if reply.stop == "length" else "completed"
    return {"type": "message", "id": f"msg_{at}", "status": status, "role": "assistant", "content": [_part(reply)]}


def _events(body: dict[str, Any], reply: Reply) -> Iterator[dict[str, Any]]:
    for kind in ("response.created", "response.in_progress"):
        yield {"type": kind, "response": _envelope(body, "in_progress")}
    items = _items(body, reply)
    for at, item in enumerate(items):
        yield from _item_events(reply, item, at)
    final = _finished(body, reply, items)
    yield {"type": f"response.{final['status']}", "response": final}


def _item_events(reply: Reply, item: dict[str, Any], at: int) -> Iterator[dict[str, Any]]:
    place = {"item_id": item["id"], "output_index": at}
    if item["type"] == "message":
        yield from _message_events(reply, item, place)
    elif item["type"] == "reasoning":
        yield {"type": "response.output_item.added", "output_index": at, "item": item | {"summary": []}}
        text, place = item["summary"][0]["text"], place | {"summary_index": 0}
        yield {"type": "response.reasoning_summary_part.added", "part": {"type": "summary_text", "text": ""}} | place
        for piece in _pieces(text):
            yield {"type": "response.reasoning_summary_text.delta", "delta": piece, "obfuscation": "x"} | place
        yield {"type": "response.reasoning_summary_text.done", "text": text} | place
        yield {"type": "response.reasoning_summary_part.done", "part": item["summary"][0]} | place
    else:
        begun = item | {"arguments": "", "status": "in_progress"}
        yield {"type": "response.output_item.added", "output_index": at, "item": begun}
        for piece in _pieces(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", "delta": piece, "obfuscation": "x"} | place
        yield {"type": "response.function_call_arguments.done", "arguments": item["arguments"], "name": item["name"]} | place
    yield {"type": "response.output_item.done", "output_index": at, "item": item}


def _message_events(reply: Reply, item: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    begun = item | {"content": [], "status": "in_progress"}
    yield {"type": "response.output_item.added", "output_index": place["output_index"], "item": begun}
    place = place | {"content_index": 0}
    part, text = item["content"][0], reply.text or ""
    key = "refusal" if part["type"] == "refusal" else "text"
    kind = "response.refusal" if key == "refusal" else "response.output_text"
    more = {} if key == "refusal" else {"logprobs": []}
    yield {"type": "response.content_part.added", "part": part | {key: ""}} | place
    for piece in _pieces(text):
        yield {"type": f"{kind}.delta", "delta": piece, "obfuscation": "x"} | more | place
    yield {"type": f"{kind}.done", key: text} | more | place
    yield {"type": "response.content_part.done", "part": part} | place


def _usage(usage: Usage) -> dict[str, Any]:
    # Cached tokens, read and written, are part of input_tokens.
    given = usage.uncached + usage.cache_read + usage.cache_write
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": given + usage.output,
    }


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE_CHARACTERS] for at in range(0, len(text), PIECE_CHARACTERS)]
