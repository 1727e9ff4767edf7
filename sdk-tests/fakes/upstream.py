"""The HTTP half that both fakes share: routing, recording, streams, faults on purpose.

A protocol subclasses `Protocol` and says how requests are checked and how replies, streams and errors look.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Iterator
from urllib.parse import parse_qs, urlsplit

from . import forms, realtime
from .record import Call, Record
from .replies import Conversation, ScriptError, reply_to
from .scripted import Scripts

LONG_STREAM_PIECES = 600
LONG_STREAM_PAUSE_SECONDS = 0.05
SLOW_REPLY_SECONDS_MAX = 60.0
CRUMB_BYTES = 7


class Rejected(Exception):
    """The vendor would answer this request with an error."""

    def __init__(self, message: str, *, status: int = 400, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.fields = fields


@dataclass(frozen=True)
class Raw:
    """An answer that is no JSON, sent piece by piece."""

    content_type: str
    pieces: tuple[bytes, ...]


class Protocol:
    """One vendor's wire format."""

    name = ""
    stream_type = "text/event-stream; charset=utf-8"

    def check_credential(self, headers: dict[str, str]) -> None:
        """Raises `Rejected` (401) unless the request carries exactly the configured credential."""
        raise NotImplementedError

    def is_streamed(self, path: str, body: Any) -> bool:
        """Whether the answer to this request is a stream."""
        return bool(body.get("stream"))

    def read(self, path: str, headers: dict[str, str], body: Any) -> Conversation | None:
        """Checks a request; None means `other` answers it."""
        raise NotImplementedError

    def other(self, path: str, body: Any) -> dict[str, Any] | Raw:
        """Answers everything that is not a conversation (embeddings, pictures, token counts, model lists)."""
        raise NotImplementedError

    def whole(self, body: Any, conversation: Conversation) -> dict[str, Any]:
        raise NotImplementedError

    def stream(self, body: Any, conversation: Conversation) -> Iterator[bytes]:
        """Yields complete events."""
        raise NotImplementedError

    def endless_piece(self, number: int, api: str) -> bytes:
        """One more event of a stream that goes on and on."""
        raise NotImplementedError

    def stream_error(self, api: str) -> bytes:
        """The vendor's own error event inside a stream."""
        raise NotImplementedError

    def error(self, rejected: Rejected) -> tuple[dict[str, Any], dict[str, str]]:
        """An error's body and headers."""
        raise NotImplementedError


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # The default of five resets connections when a test opens many at once.
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Hanging up between two requests is every client's right."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Upstream:
    """A running fake."""

    def __init__(self, protocol: Protocol, port: int = 0) -> None:
        self.record = Record()
        handler = type("Handler", (_Handler,), {"protocol": protocol, "record": self.record, "scripts": Scripts()})
        self._server = _Server(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    protocol: Protocol
    record: Record
    scripts: Scripts

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        question = parse_qs(address.query)
        if address.path == "/__last":
            last = self.record.last()
            self._send_json(200, last.as_json() if last else None)
        elif address.path == "/__log":
            self._send_json(200, [call.as_json() for call in self.record.all()])
        elif address.path == "/__find":
            found = self.record.containing(question.get("text", [""])[0])
            self._send_json(200, [call.as_json() for call in found])
        elif address.path == "/__stats":
            self._send_json(200, self.record.stats())
        elif (self.headers.get("upgrade") or "").lower() == "websocket":
            self._open_socket(address.path, question)
        else:
            self._answer(None, "")

    def do_POST(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(size) if size else self._read_chunked()
        if self.path == "/__script":
            self.scripts.add(json.loads(raw))
            self._send_json(200, None)
            return
        self._answer(raw, raw.decode("utf-8", "replace"))

    def _open_socket(self, path: str, question: dict[str, list[str]]) -> None:
        """A realtime session, from the handshake to its end. What its client says is the call's text."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(path, headers, question, "")
        self.record.begin(call)
        self.close_connection = True
        try:
            self.protocol.check_credential(headers)
            model = question.get("model", [""])[0]
            if path != realtime.PATH or model not in realtime.MODELS:
                raise Rejected(f"The model '{model}' does not exist.", status=404, code="model_not_found")
        except Rejected as rejected:
            call.outcome, call.status, call.reason = "rejected", rejected.status, rejected.message
            error_body, error_headers = self.protocol.error(rejected)
            self._send_json(rejected.status, error_body, error_headers)
            return
        self.send_response(101)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "Upgrade")
        self.send_header("sec-websocket-accept", realtime.accept_of(headers["sec-websocket-key"]))
        self.end_headers()
        call.status = 101
        socket = realtime.Socket(self.rfile, self.wfile)
        session = realtime.Session(socket, model)
        try:
            session.begin()
            while True:
                text = socket.receive()
                call.text += text
                session.hear(text)
        except realtime.Closed:
            call.outcome = "completed"
        except (BrokenPipeError, ConnectionResetError):
            call.outcome = "cancelled"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, raw: bytes | None, text: str) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            body = forms.read(headers["content-type"], raw) if raw and forms.is_form(headers) else json.loads(text or "null")
        except ValueError:
            body = None
        call = Call(urlsplit(self.path).path, headers, body, text)
        self.record.begin(call)
        try:
            self._serve(call)
        except Rejected as rejected:
            call.outcome = "failed" if rejected.fields.get("is_scripted") else "rejected"
            call.status, call.reason = rejected.status, rejected.message
            error_body, error_headers = self.protocol.error(rejected)
            self._send_json(rejected.status, error_body, error_headers)
        except (BrokenPipeError, ConnectionResetError, _ClientGone):
            call.outcome = "cancelled"
            self.close_connection = True

    def _serve(self, call: Call) -> None:
        self.protocol.check_credential(call.headers)
        if call.headers.get("content-encoding"):
            raise Rejected("compressed request bodies are not supported", status=415)
        if call.body is None and self.command == "POST":
            raise Rejected("We could not parse the JSON body of your request.")
        conversation = self.protocol.read(call.path, call.headers, call.body)
        if conversation is None:
            answer = self.protocol.other(call.path, call.body)
            call.outcome, call.status = "completed", 200
            if isinstance(answer, Raw):
                self._send_raw(answer)
            else:
                self._send_json(200, answer)
            return
        try:
            conversation.scripted = self.scripts.next_for(call.text, conversation)
        except ScriptError as error:
            raise Rejected(str(error)) from error
        name, argument = conversation.script
        if name == "error" and not conversation.ends_with_tool_result:
            raise Rejected("scripted failure", status=int(argument), is_scripted=True)
        if name == "slow":
            self._wait(min(float(argument), SLOW_REPLY_SECONDS_MAX))
        call.status = 200
        try:
            if self.protocol.is_streamed(call.path, call.body):
                self._stream(call, conversation)
            else:
                self._send_json(200, self.protocol.whole(call.body, conversation))
                call.outcome = "completed"
        except ScriptError as error:
            raise Rejected(str(error)) from error

    def _stream(self, call: Call, conversation: Conversation) -> None:
        name, argument = conversation.script
        # Decided before the first byte, because a refusal must still be able to become a status.
        reply_to(conversation)
        events = self.protocol.stream(call.body, conversation)
        self._begin_chunks(self.protocol.stream_type)
        if name == "cut-stream":
            self._break_after(call, events, int(argument or 4), is_clean=False)
        elif name == "short-stream":
            self._break_after(call, events, int(argument or 4), is_clean=True)
        elif name == "error-in-stream":
            self._send_events(events, 4)
            self._send_chunk(self.protocol.stream_error(conversation.api))
            self._end_chunks()
            call.outcome = "broken"
        elif name == "long-stream":
            self._send_events(events, 4)
            self._send_forever(conversation.api)
            call.outcome = "completed"
        elif name == "crumbs":
            self._send_crumbs(b"".join(events))
            call.outcome = "completed"
        else:
            for event in events:
                self._send_chunk(event)
            self._end_chunks()
            call.outcome = "completed"

    def _send_crumbs(self, data: bytes) -> None:
        """Cuts events and multi-byte characters where no decoder would like it."""
        for start in range(0, len(data), CRUMB_BYTES):
            self._send_chunk(data[start : start + CRUMB_BYTES])
        self._end_chunks()

    def _break_after(self, call: Call, events: Iterator[bytes], count: int, *, is_clean: bool) -> None:
        self._send_events(events, count)
        if is_clean:
            self._end_chunks()
        else:
            # Closing without the last chunk is how a dying connection looks from the other side.
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        call.outcome = "broken"

    def _send_events(self, events: Iterator[bytes], count: int) -> None:
        for _, event in zip(range(count), events):
            self._send_chunk(event)

    def _send_forever(self, api: str) -> None:
        for number in range(LONG_STREAM_PIECES):
            self._wait(LONG_STREAM_PAUSE_SECONDS)
            self._send_chunk(self.protocol.endless_piece(number, api))
        self._end_chunks()

    def _wait(self, seconds: float) -> None:
        """Sleeps, but notices a client that hangs up."""
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            readable, _, _ = select.select([self.connection], [], [], left)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise _ClientGone

    def _send_json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _send_raw(self, answer: Raw) -> None:
        self._begin_chunks(answer.content_type)
        for piece in answer.pieces:
            self._send_chunk(piece)
        self._end_chunks()

    def _begin_chunks(self, content_type: str) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _end_chunks(self) -> None:
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _read_chunked(self) -> bytes:
        if "chunked" not in (self.headers.get("transfer-encoding") or ""):
            return b""
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)


class _ClientGone(Exception):
    pass
