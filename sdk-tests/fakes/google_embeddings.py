"""Google's `embedContent` and `batchEmbedContents`, and what Google refuses of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from .google_requests import only, refuse

DIMENSIONS = 8
REQUESTS_MAX = 100
TOKENS = 10
FIELDS = {"model", "content", "taskType", "title", "outputDimensionality"}
TASKS = {
    "TASK_TYPE_UNSPECIFIED",
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
}


def answer(path: str, body: dict[str, Any]) -> dict[str, Any] | None:
    """None: it is neither of the two."""
    model, _, verb = unquote(path).removeprefix("/v1beta/").removeprefix("/v1/").rpartition(":")
    if verb == "embedContent":
        return {"embedding": {"values": _vector(model, body)}, "usageMetadata": _usage(1)}
    if verb == "batchEmbedContents":
        only(body, {"requests"}, "")
        requests = body.get("requests") or []
        if not 0 < len(requests) <= REQUESTS_MAX:
            raise refuse(f"* BatchEmbedContentsRequest.requests: at most {REQUESTS_MAX} requests can be in one batch")
        if any("model" not in one for one in requests):
            raise refuse("* BatchEmbedContentsRequest.requests[0].model: model is not specified")
        return {"embeddings": [{"values": _vector(model, one)} for one in requests], "usageMetadata": _usage(len(requests))}
    return None


def _vector(model: str, request: dict[str, Any]) -> list[float]:
    only(request, FIELDS, "requests.")
    if request.get("model", model) != model:
        raise refuse(f"* model: the model {request['model']} does not match {model}")
    if request.get("taskType", "CLUSTERING") not in TASKS:
        raise refuse(f"Invalid value at 'task_type': \"{request['taskType']}\"")
    content = request.get("content") or {}
    only(content, {"parts", "role"}, "content.")
    texts = [part.get("text") for part in content.get("parts") or []]
    if not texts or None in texts:
        raise refuse("* EmbedContentRequest.content: contents is not specified")
    text = "".join(texts)
    return [(len(text) + n) / 16 for n in range(request.get("outputDimensionality") or DIMENSIONS)]


def _usage(requests: int) -> dict[str, Any]:
    tokens = TOKENS * requests
    return {"promptTokenCount": tokens, "promptTokenDetails": [{"modality": "TEXT", "tokenCount": tokens}]}
