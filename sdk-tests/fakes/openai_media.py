"""What OpenAI answers about pictures, sound and judgements, and rerankers about rankings.

Fields and shapes follow the official Python SDK 3.54 (`types/image*.py`, `types/audio/*.py`, `types/moderation*.py`), and
for rankings <https://jina.ai/reranker>, read 2026-11-26. Answers hold what arrived, so that a test can see it.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any, Callable

from .openai_requests import refuse, unknown
from .upstream import Raw

PNG_START = b"\x89PNG\r\n\x1a\n"
# Every byte once, so that sound taken for text would be noticed.
SOUND_START = b"ID3" + bytes(range(256))
PIECE_BYTES = 64
SPEECH_CHARACTERS_MAX = 4096
SPEECH_TYPES = {"mp3": "audio/mpeg"} | {kind: f"audio/{kind}" for kind in ("opus", "aac", "flac", "wav", "pcm")}
HEARD_SECONDS = 3
CATEGORIES = (
    "harassment harassment/threatening hate hate/threatening illicit illicit/violent self-harm self-harm/instructions"
    " self-harm/intent sexual sexual/minors violence violence/graphic".split()
)
PICTURE_FIELDS = (
    "background model n output_compression output_format partial_images prompt quality safety_identifier size stream user"
)
# With the models that stream pictures `response_format` is refused, as by OpenAI.
FIELDS = {
    "/v1/images/generations": f"{PICTURE_FIELDS} moderation style",
    "/v1/images/edits": f"{PICTURE_FIELDS} image image[] input_fidelity mask",
    "/v1/audio/speech": "input instructions model response_format speed stream_format voice",
    "/v1/audio/transcriptions": "chunking_strategy file include[] known_speaker_names[] known_speaker_references[]"
    " language model prompt response_format stream temperature timestamp_granularities[]",
    "/v1/audio/translations": "file model prompt response_format temperature",
    "/v1/moderations": "input model",
    "/v1/rerank": "documents model query return_documents top_n",
}


def answer(path: str, body: dict[str, Any]) -> dict[str, Any] | Raw | None:
    """The answer at one of these paths; None elsewhere. Raises `Rejected` for what is refused."""
    if path not in FIELDS:
        return None
    for name in body:
        if name not in FIELDS[path].split():
            raise unknown(name)
    answers: dict[str, Callable[[dict[str, Any]], dict[str, Any] | Raw]] = {
        "/v1/images/generations": lambda body: _pictures(body, "image_generation"),
        "/v1/images/edits": lambda body: _pictures(body, "image_edit"),
        "/v1/audio/speech": _speech,
        "/v1/audio/transcriptions": _transcription,
        "/v1/audio/translations": _transcription,
        "/v1/moderations": _judgements,
        "/v1/rerank": _ranking,
    }
    return answers[path](body)


def _pictures(body: dict[str, Any], event: str) -> dict[str, Any] | Raw:
    given = body.get("image[]") or ([body["image"]] if "image" in body else [])
    if event == "image_edit" and not given:
        raise refuse("Missing required parameter: 'image'.", "image", "missing_required_parameter")
    if not body.get("prompt"):
        raise refuse("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter")
    seen = [body["prompt"]] + [f"{one['filename']} {one['type']} {one['size']} bytes" for one in given]
    picture = base64.b64encode(PNG_START + " | ".join(seen).encode()).decode()
    count = int(body.get("n") or 1)
    # A form has words, JSON its own values.
    if body.get("stream") in (True, "true"):
        return _picture_events(picture, event, int(body.get("partial_images") or 0), _picture_usage(1, len(given)))
    drawn = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024"}
    drawn |= {"data": [{"b64_json": picture}] * count, "usage": _picture_usage(count, len(given))}
    return {"created": int(time.time()), **drawn}


def _picture_usage(count: int, given: int) -> dict[str, Any]:
    read, made = 20 + 100 * given, 1000 * count
    return {
        "input_tokens": read,
        "input_tokens_details": {"image_tokens": 100 * given, "text_tokens": 20},
        "output_tokens": made,
        "output_tokens_details": {"image_tokens": made, "text_tokens": 0},
        "total_tokens": read + made,
    }


def _picture_events(picture: str, event: str, partial: int, usage: dict[str, Any]) -> Raw:
    drawn = {"b64_json": picture, "created_at": int(time.time()), "background": "opaque", "output_format": "png"}
    drawn |= {"quality": "low", "size": "1024x1024"}
    events = [{"type": f"{event}.partial_image", "partial_image_index": at, **drawn} for at in range(partial)]
    return _events([*events, {"type": f"{event}.completed", **drawn, "usage": usage}])


def _speech(body: dict[str, Any]) -> Raw:
    for name in ("input", "voice"):
        if not body.get(name):
            raise refuse(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    if len(body["input"]) > SPEECH_CHARACTERS_MAX:
        raise refuse(f"Invalid 'input': string too long. Expected at most {SPEECH_CHARACTERS_MAX} characters.", "input")
    kind = body.get("response_format") or "mp3"
    if kind not in SPEECH_TYPES:
        raise refuse(f"Invalid value: '{kind}'.", "response_format")
    sound = _cut(SOUND_START + f"{body['voice']}: {body['input']}".encode())
    if body.get("stream_format") == "sse":
        deltas = [{"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()} for piece in sound]
        usage = {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}
        return _events([*deltas, {"type": "speech.audio.done", "usage": usage}])
    return Raw(SPEECH_TYPES[kind], sound)


def _transcription(body: dict[str, Any]) -> dict[str, Any] | Raw:
    file = body.get("file")
    if not isinstance(file, dict):
        raise refuse("Missing required parameter: 'file'.", "file", "missing_required_parameter")
    heard = f"I heard {file['filename']}, {file['size']} bytes"
    heard += "".join(f", {name} {body[name]}" for name in ("language", "prompt") if body.get(name))
    if body.get("stream") == "true":
        usage = {"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 0, "audio_tokens": 14}}
        usage |= {"output_tokens": 45, "total_tokens": 59}
        deltas = [{"type": "transcript.text.delta", "delta": piece.decode()} for piece in _cut(heard.encode(), 6)]
        return _events([*deltas, {"type": "transcript.text.done", "text": heard, "usage": usage}])
    kind = body.get("response_format") or "json"
    if kind == "text":
        return Raw("text/plain; charset=utf-8", (f"{heard}\n".encode(),))
    usage = {"type": "duration", "seconds": HEARD_SECONDS}
    if kind == "json":
        return {"text": heard, "usage": usage}
    if kind == "verbose_json":
        told = {"task": "transcribe", "language": "english", "duration": HEARD_SECONDS - 0.5, "text": heard}
        return {**told, "segments": [], "usage": usage}
    raise refuse(f"Invalid value: '{kind}'.", "response_format")


def _judgements(body: dict[str, Any]) -> dict[str, Any]:
    given = body.get("input")
    if not given:
        raise refuse("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    inputs = [given] if isinstance(given, str) else given
    results = [_judgement(str(one)) for one in inputs]
    return {"id": "modr-0d9740456c391e43c445bf0f010940c7", "model": body["model"], "results": results}


def _judgement(text: str) -> dict[str, Any]:
    is_bad = "hit" in text.split()
    return {
        "flagged": is_bad,
        "categories": {name: is_bad and name == "violence" for name in CATEGORIES},
        "category_scores": {name: 0.9 if is_bad and name == "violence" else 0.01 for name in CATEGORIES},
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }


def _ranking(body: dict[str, Any]) -> dict[str, Any]:
    documents = [one if isinstance(one, str) else one["text"] for one in body.get("documents") or []]
    if not documents or not body.get("query"):
        raise refuse("query and documents are required")
    wanted = set(body["query"].split())
    results = [
        {"index": at, "relevance_score": len(wanted & set(text.split())) / len(wanted), "document": {"text": text}}
        for at, text in enumerate(documents)
    ]
    results.sort(key=lambda result: -result["relevance_score"])
    return {"model": body["model"], "usage": {"total_tokens": 10 * len(documents)}, "results": results[: body.get("top_n")]}


def _events(events: list[dict[str, Any]]) -> Raw:
    told = tuple(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)
    return Raw("text/event-stream; charset=utf-8", told)


def _cut(data: bytes, size: int = PIECE_BYTES) -> tuple[bytes, ...]:
    return tuple(data[at : at + size] for at in range(0, len(data), size))
