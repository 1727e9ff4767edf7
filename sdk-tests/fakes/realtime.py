"""OpenAI's Realtime API over a WebSocket, as far as the SDK is driven: text in, text out, one response at a time.

The marker `@script{long}` in what was said makes a response that goes on until it is cancelled.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import uuid
from typing import Any, BinaryIO

MODELS = ("live-model",)
PATH = "/v1/realtime"
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
# Ten of the prompt come from the cache; all output is text.
USAGE = {
    "total_tokens": 120,
    "input_tokens": 100,
    "output_tokens": 20,
    "input_token_details": {
        "text_tokens": 100,
        "audio_tokens": 0,
        "image_tokens": 0,
        "cached_tokens": 10,
        "cached_tokens_details": {"text_tokens": 10, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 20, "audio_tokens": 0},
}
SESSION_FIELDS = {"type", "model", "instructions", "output_modalities", "max_output_tokens", "audio", "tools"}


def accept_of(key: str) -> str:
    return base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest()).decode()


class Closed(Exception):
    """The other side has closed the socket, or left."""


class Socket:
    """Frames over a connection whose handshake is done."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader, self._writer = reader, writer

    def receive(self) -> str:
        """The next text message; pings are answered on the way."""
        message = b""
        while True:
            first, second = self._read(2)
            length = second & 0x7F
            if length == 126:
                length = struct.unpack("!H", self._read(2))[0]
            elif length == 127:
                length = struct.unpack("!Q", self._read(8))[0]
            if not second & 0x80:
                raise Closed("a client must mask what it sends")
            mask = self._read(4)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self._read(length)))
            kind = first & 0x0F
            if kind == CLOSE:
                self._send(CLOSE, data)
                raise Closed
            if kind == PING:
                self._send(PONG, data)
            elif kind != PONG:
                message += data
                if first & 0x80:
                    return message.decode()

    def send(self, event: dict[str, Any]) -> None:
        self._send(TEXT, json.dumps(event | {"event_id": _id("event")}).encode())

    def _send(self, kind: int, data: bytes) -> None:
        size = len(data)
        head = bytes([0x80 | kind])
        head += bytes([size]) if size < 126 else bytes([126]) + struct.pack("!H", size)
        self._writer.write(head + data)
        self._writer.flush()

    def _read(self, size: int) -> bytes:
        data = self._reader.read(size)
        if len(data) < size:
            raise Closed
        return data


class Session:
    """One session: what the server does with each event."""

    def __init__(self, socket: Socket, model: str) -> None:
        self._socket = socket
        self._items: list[dict[str, Any]] = []
        self._running = ""
        self._session: dict[str, Any] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": _id("sess"),
            "model": model,
            "output_modalities": ["audio"],
            "instructions": "Be kind.",
            "max_output_tokens": "inf",
            "tools": [],
            "audio": {
                "input": {"turn_detection": {"type": "server_vad", "create_response": True}, "transcription": None}
            },
        }

    def begin(self) -> None:
        self._socket.send({"type": "session.created", "session": self._session})

    def hear(self, text: str) -> None:
        event = json.loads(text)
        handler = {
            "session.update": self._update,
            "conversation.item.create": self._add,
            "response.create": self._respond,
            "response.cancel": self._cancel,
        }.get(event.get("type"))
        if handler is None:
            self._refuse(event, f"Invalid value: '{event.get('type')}'.", "invalid_value")
            return
        handler(event)

    def _refuse(self, event: dict[str, Any], message: str, code: str) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
        self._socket.send({"type": "error", "error": error | {"event_id": event.get("event_id")}})

    def _update(self, event: dict[str, Any]) -> None:
        change = event["session"]
        unknown = set(change) - SESSION_FIELDS
        if unknown or change.get("type") != "realtime":
            self._refuse(event, f"Unknown parameter: {sorted(unknown)}.", "unknown_parameter")
        elif change.get("model", self._session["model"]) != self._session["model"]:
            self._refuse(event, "Cannot update a session's model.", "invalid_value")
        else:
            self._session |= change
            self._socket.send({"type": "session.updated", "session": self._session})

    def _add(self, event: dict[str, Any]) -> None:
        item = event["item"] | {"id": event["item"].get("id") or _id("item"), "object": "realtime.item"}
        self._items.append(item)
        self._socket.send({"type": "conversation.item.added", "previous_item_id": None, "item": item})
        self._socket.send({"type": "conversation.item.done", "previous_item_id": None, "item": item})

    def _respond(self, event: dict[str, Any]) -> None:
        if self._running:
            message = "Conversation already has an active response in progress."
            self._refuse(event, message, "conversation_already_has_active_response")
            return
        self._running = _id("resp")
        said = " ".join(part.get("text", "") for item in self._items for part in item.get("content", []))
        self._socket.send({"type": "response.created", "response": self._response("in_progress", None)})
        for piece in ("You said: ", said):
            place = {"response_id": self._running, "item_id": "item_x", "output_index": 0, "content_index": 0}
            self._socket.send({"type": "response.output_text.delta", "delta": piece} | place)
        if "@script{long}" not in said:
            self._end("completed")

    def _cancel(self, event: dict[str, Any]) -> None:
        if not self._running or event.get("response_id", self._running) != self._running:
            self._refuse(event, "Cancellation failed: no active response found.", "response_cancel_not_active")
        else:
            self._end("cancelled")

    def _end(self, status: str) -> None:
        response = self._response(status, USAGE)
        self._running = ""
        self._socket.send({"type": "response.done", "response": response})

    def _response(self, status: str, usage: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "object": "realtime.response",
            "id": self._running,
            "status": status,
            "status_details": None,
            "output": [],
            "usage": usage,
        }


def _id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex[:16]}"
