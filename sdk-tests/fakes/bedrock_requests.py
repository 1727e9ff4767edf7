"""Reads requests of Amazon Bedrock's Converse, and refuses what Bedrock refuses, and fields that it does not know."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from .replies import Conversation
from .upstream import Rejected

FIELDS = {
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "outputConfig",
    "guardrailConfig",
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
}
INFERENCE_FIELDS = {"maxTokens", "temperature", "topP", "stopSequences"}
ADDITIONAL_FIELDS = {"thinking", "top_k", "anthropic_beta", "output_config"}
IMAGE_FORMATS = {"png", "jpeg", "gif", "webp"}
DOCUMENT_TYPES = {"pdf": "application/pdf", "txt": "text/plain", "csv": "text/csv", "md": "text/markdown"}
DOCUMENT_NAME = re.compile(r"[A-Za-z0-9\-()\[\]]+( [A-Za-z0-9\-()\[\]]+)*")
TOOL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
SIGNATURE = "c2lnbmVkLWJ5LXRoZS1mYWtl"
REDACTED = "cmVkYWN0ZWQtYnktdGhlLWZha2U="


def read(body: dict[str, Any]) -> Conversation:
    """Raises `Rejected` for what the vendor would not take."""
    only(body, FIELDS, "")
    conversation = Conversation()
    inference = body.get("inferenceConfig") or {}
    only(inference, INFERENCE_FIELDS, "inferenceConfig.")
    if inference.get("maxTokens", 1) < 1 or not 0 <= inference.get("temperature", 0) <= 1:
        raise Rejected("1 validation error detected: a value of inferenceConfig is out of its range")
    conversation.stop_sequences = inference.get("stopSequences") or []
    _read_additional(body, inference, conversation)
    conversation.system = " ".join(block["text"] for block in body.get("system") or [] if "text" in block)
    _read_tools(body.get("toolConfig"), conversation)
    if output := body.get("outputConfig"):
        conversation.answer_schema = json.loads(output["textFormat"]["structure"]["jsonSchema"]["schema"])
    _read_messages(body.get("messages"), conversation)
    return conversation


def only(given: dict[str, Any], known: set[str], path: str) -> None:
    for name in given:
        if name not in known:
            raise Rejected(f"extraneous key [{path}{name}] is not permitted")


def _read_additional(body: dict[str, Any], inference: dict[str, Any], conversation: Conversation) -> None:
    additional = body.get("additionalModelRequestFields") or {}
    only(additional, ADDITIONAL_FIELDS, "additionalModelRequestFields.")
    thinking = additional.get("thinking") or {}
    conversation.is_thinking_on = thinking.get("type") == "enabled"
    if not conversation.is_thinking_on:
        return
    if thinking["budget_tokens"] >= inference.get("maxTokens", 1 << 20):
        raise Rejected("The model returned the following errors: `max_tokens` must be greater than `thinking.budget_tokens`")
    if "temperature" in inference or "top_k" in additional:
        raise Rejected("The model returned the following errors: nothing but 1 may be set while thinking")


def _read_tools(config: dict[str, Any] | None, conversation: Conversation) -> None:
    if config is None:
        return
    only(config, {"tools", "toolChoice"}, "toolConfig.")
    if not config.get("tools"):
        raise Rejected("1 validation error detected: Value at 'toolConfig.tools' failed to satisfy constraint")
    for tool in config["tools"]:
        if "toolSpec" in tool:
            only(tool["toolSpec"], {"name", "description", "inputSchema", "strict"}, "toolSpec.")
            conversation.tools[tool["toolSpec"]["name"]] = tool["toolSpec"]["inputSchema"]["json"]
    choice = config.get("toolChoice") or {"auto": {}}
    if "any" in choice:
        conversation.tool_choice = "required"
    elif "tool" in choice:
        conversation.tool_choice = choice["tool"]["name"]


def _read_messages(messages: Any, conversation: Conversation) -> None:
    if not messages or messages[0].get("role") != "user":
        raise Rejected("A conversation must start with a user message. Try again with a conversation that starts with a user message.")
    waiting: list[str] = []
    speaker = None
    for message in messages:
        only(message, {"role", "content"}, "messages.")
        if message["role"] == speaker:
            raise Rejected("A conversation must alternate between user and assistant roles.")
        speaker = message["role"]
        conversation.turns += 1
        blocks = message["content"]
        if not blocks:
            raise Rejected("The content field in the Message object is empty.")
        answered = [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
        if sorted(answered) != sorted(waiting):
            raise Rejected("Expected toolResult blocks for the toolUse blocks of the turn before, and no others.")
        waiting = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
        if (waiting or answered) and not conversation.tools:
            raise Rejected("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        _read_blocks(blocks, speaker, conversation)
    conversation.ends_with_tool_result = any("toolResult" in block for block in messages[-1]["content"])


def _read_blocks(blocks: list[dict[str, Any]], role: str, conversation: Conversation) -> None:
    texts = []
    if any("document" in block for block in blocks) and not any("text" in block for block in blocks):
        raise Rejected("Invalid content: a document needs a text block beside it.")
    for block in blocks:
        ((kind, value),) = block.items()
        if kind == "text":
            if not value.strip():
                raise Rejected("The text field in the ContentBlock object is blank.")
            texts.append(value)
        elif kind == "image":
            conversation.images.append(_image(value))
        elif kind == "document":
            conversation.documents.append(_document(value))
        elif kind == "toolUse":
            if not TOOL_ID.fullmatch(value["toolUseId"]) or not isinstance(value["input"], dict):
                raise Rejected("The format of the toolUse block is wrong.")
        elif kind == "toolResult":
            conversation.tool_results.append(_result(value, conversation))
        elif kind == "reasoningContent":
            _check_thought(value)
        elif kind != "cachePoint":
            raise Rejected(f"The ContentBlock of kind {kind} is not supported.")
    if role == "user" and texts:
        conversation.user_text = " ".join(texts)


def _image(image: dict[str, Any]) -> str:
    if image["format"] not in IMAGE_FORMATS:
        raise Rejected(f"The image format {image['format']} is not supported.")
    return f"image/{image['format']} {len(base64.b64decode(image['source']['bytes'], validate=True))} bytes"


def _document(document: dict[str, Any]) -> str:
    if not DOCUMENT_NAME.fullmatch(document["name"]):
        raise Rejected("The document file name can only contain certain characters.")
    kind = DOCUMENT_TYPES[document["format"]]
    return f"{kind} {len(base64.b64decode(document['source']['bytes'], validate=True))} bytes"


def _result(result: dict[str, Any], conversation: Conversation) -> str:
    only(result, {"toolUseId", "content", "status"}, "toolResult.")
    found = []
    for block in result["content"]:
        if "image" in block:
            conversation.images.append(_image(block["image"]))
        else:
            found.append(block.get("text") or json.dumps(block.get("json")))
    return " ".join(found)


def _check_thought(reasoning: dict[str, Any]) -> None:
    if "redactedContent" in reasoning:
        is_own = reasoning["redactedContent"] == REDACTED
    else:
        is_own = reasoning["reasoningText"].get("signature") == SIGNATURE
    if not is_own:
        raise Rejected("The model returned the following errors: Invalid `signature` in `thinking` block")
