"""Amazon's SDK against upstreams that speak OpenAI's protocol, Anthropic's and Converse, and OpenAI's SDK against Bedrock."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any, Iterator

import boto3
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

import records
from conftest import bedrock_with
from samples import PDF, PDF_SEEN, PNG, PNG_SEEN, WEATHER_SCHEMA, Person, openai_tool
from targets import ANTHROPIC_UPSTREAM, BEDROCK_UPSTREAM, IS_DIRECT, OPENAI_UPSTREAM, Upstream, address_of, marked

TOOLS = {"tools": [{"toolSpec": {"name": "get_weather", "description": "Does it.", "inputSchema": {"json": WEATHER_SCHEMA}}}]}


@pytest.fixture(
    params=[BEDROCK_UPSTREAM, OPENAI_UPSTREAM, ANTHROPIC_UPSTREAM], ids=lambda upstream: f"{upstream.vendor}-upstream"
)
def served_by(request: pytest.FixtureRequest) -> Upstream:
    if IS_DIRECT and request.param.vendor != "bedrock":
        pytest.skip("needs the gateway to translate")
    return request.param


def said(*content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": [{"text": block} if isinstance(block, str) else block for block in content]}


def gathered(stream: Any) -> tuple[list[dict[str, Any]], str, dict[str, Any]]:
    """The blocks of a streamed answer, why it ended, and its last event."""
    blocks: dict[int, dict[str, Any]] = {}
    stop, last = "", {}
    for event in stream:
        ((kind, payload),) = event.items()
        if kind == "contentBlockStart":
            blocks[payload["contentBlockIndex"]] = {"toolUse": {**payload["start"]["toolUse"], "input": ""}}
        elif kind == "contentBlockDelta":
            _add(blocks.setdefault(payload["contentBlockIndex"], {}), payload["delta"])
        elif kind == "messageStop":
            stop = payload["stopReason"]
        elif kind == "metadata":
            last = payload
    return [blocks[index] for index in sorted(blocks)], stop, last


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    elif "redactedContent" in delta["reasoningContent"]:
        block["reasoningContent"] = {"redactedContent": delta["reasoningContent"]["redactedContent"]}
    else:
        thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
        thought["text"] += delta["reasoningContent"].get("text", "")
        if "signature" in delta["reasoningContent"]:
            thought["signature"] = delta["reasoningContent"]["signature"]


def test_a_call_is_answered_and_counted(bedrock_client: Any, served_by: Upstream) -> None:
    text = marked("Hello, Bedrock")
    answer = bedrock_client.converse(
        modelId=served_by.model,
        messages=[said(text)],
        system=[{"text": "Be brief."}],
        inferenceConfig={"maxTokens": 200, "temperature": 0.5},
    )
    (block,) = answer["output"]["message"]["content"]
    assert text in block["text"] and "system: Be brief." in block["text"]
    assert answer["stopReason"] == "end_turn" and answer["metrics"]["latencyMs"] >= 0
    usage = answer["usage"]
    assert (usage["inputTokens"], usage["outputTokens"], usage["totalTokens"]) == (100, 20, 120)
    assert served_by.call(text)["outcome"] == "completed"


def test_a_stream_arrives_in_pieces(bedrock_client: Any, served_by: Upstream) -> None:
    text = marked("Stream this, please")
    answer = bedrock_client.converse_stream(modelId=served_by.model, messages=[said(text)])
    events = list(answer["stream"])
    assert "messageStart" in events[0] and len(events) > 5
    (block,), stop, last = gathered(events)
    assert text in block["text"] and stop == "end_turn"
    assert last["usage"]["totalTokens"] == 120


def test_a_stream_cut_inside_characters_is_whole(bedrock_client: Any, served_by: Upstream) -> None:
    answer = bedrock_client.converse_stream(modelId=served_by.model, messages=[said("@script{crumbs}")])
    assert gathered(answer["stream"])[0] == [{"text": "Grüße, 世界 👋🏽\u2028done"}]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_tools_are_called_and_answered(bedrock_client: Any, served_by: Upstream, is_streamed: bool) -> None:
    messages = [said(marked("Weather? @script{parallel-tools}"))]
    asked = {"modelId": served_by.model, "toolConfig": TOOLS}
    if is_streamed:
        blocks, stop, _ = gathered(bedrock_client.converse_stream(messages=messages, **asked)["stream"])
        for block in blocks:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
    else:
        answer = bedrock_client.converse(messages=messages, **asked)
        blocks, stop = answer["output"]["message"]["content"], answer["stopReason"]
    assert stop == "tool_use"
    calls = [block["toolUse"] for block in blocks]
    assert [call["input"]["city"] for call in calls] == ["Paris", "Tōkyō"]
    results = [
        {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": f"Rain {n}"}]}}
        for n, call in enumerate(calls)
    ]
    messages += [{"role": "assistant", "content": blocks}, {"role": "user", "content": results}]
    answer = bedrock_client.converse(messages=messages, **asked)
    assert "tool result: Rain 0 | tool result: Rain 1" in answer["output"]["message"]["content"][0]["text"]


def test_a_tool_gives_json_and_pictures_back(bedrock_client: Any, served_by: Upstream) -> None:
    messages = [said(marked("Weather? @script{tools}"))]
    asked = {"modelId": served_by.model, "toolConfig": {**TOOLS, "toolChoice": {"any": {}}}}
    message = bedrock_client.converse(messages=messages, **asked)["output"]["message"]
    picture = {"image": {"format": "png", "source": {"bytes": PNG}}}
    result = {"toolUseId": message["content"][0]["toolUse"]["toolUseId"], "content": [{"json": {"sky": "grey"}}, picture]}
    messages += [message, {"role": "user", "content": [{"toolResult": result}]}]
    text = bedrock_client.converse(messages=messages, **asked)["output"]["message"]["content"][0]["text"]
    assert "grey" in text and f"image: {PNG_SEEN}" in text


def test_pictures_and_documents_arrive(bedrock_client: Any, served_by: Upstream) -> None:
    picture = {"image": {"format": "png", "source": {"bytes": PNG}}}
    document = {"document": {"format": "pdf", "name": "paper", "source": {"bytes": PDF}}}
    for block, seen in ((picture, f"image: {PNG_SEEN}"), (document, PDF_SEEN)):
        answer = bedrock_client.converse(modelId=served_by.model, messages=[said(block, marked("Look."))])
        assert seen in answer["output"]["message"]["content"][0]["text"]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_thoughts_are_shown_and_go_back(bedrock_client: Any, served_by: Upstream, is_streamed: bool) -> None:
    messages = [said(marked("Think. @script{thinking}"))]
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    asked = {
        "modelId": served_by.model,
        "inferenceConfig": {"maxTokens": 4000},
        "additionalModelRequestFields": thinking,
    }
    if is_streamed:
        blocks = gathered(bedrock_client.converse_stream(messages=messages, **asked)["stream"])[0]
    else:
        blocks = bedrock_client.converse(messages=messages, **asked)["output"]["message"]["content"]
    assert blocks[0]["reasoningContent"]["reasoningText"]["text"].startswith("The user wants an answer.")
    messages += [{"role": "assistant", "content": blocks}, said(marked("And now?"))]
    answer = bedrock_client.converse(messages=messages, **asked)
    assert "turns: 3" in answer["output"]["message"]["content"][-1]["text"]


def test_thoughts_that_nobody_can_read_go_back(bedrock_client: Any, served_by: Upstream) -> None:
    if served_by.vendor == "openai":
        pytest.skip("the protocol has no such thoughts")
    messages = [said(marked("Think. @script{redacted-thinking}"))]
    asked = {
        "modelId": served_by.model,
        "inferenceConfig": {"maxTokens": 4000},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    }
    message = bedrock_client.converse(messages=messages, **asked)["output"]["message"]
    assert message["content"][0]["reasoningContent"]["redactedContent"]
    messages += [message, said(marked("And now?"))]
    assert bedrock_client.converse(messages=messages, **asked)["stopReason"] == "end_turn"


def test_an_answer_follows_a_schema(bedrock_client: Any, served_by: Upstream) -> None:
    schema = {"jsonSchema": {"name": "person", "schema": json.dumps(Person.model_json_schema())}}
    answer = bedrock_client.converse(
        modelId=served_by.model,
        messages=[said(marked("Who?"))],
        outputConfig={"textFormat": {"type": "json_schema", "structure": schema}},
    )
    assert Person.model_validate_json(answer["output"]["message"]["content"][0]["text"])


def test_the_end_is_told(bedrock_client: Any, served_by: Upstream) -> None:
    answer = bedrock_client.converse(modelId=served_by.model, messages=[said("@script{length}")])
    assert answer["stopReason"] == "max_tokens"


def test_cached_tokens_are_counted_apart(bedrock_client: Any, served_by: Upstream) -> None:
    usage = bedrock_client.converse(modelId=served_by.model, messages=[said("@script{cache-read}")])["usage"]
    assert (usage["inputTokens"], usage["cacheReadInputTokens"], usage["totalTokens"]) == (200, 1000, 1250)


def test_the_record_tells_what_it_cost(bedrock_client: Any, served_by: Upstream, gateway_only: None) -> None:
    asked = {"modelId": served_by.model, "messages": [said("@script{cache-read}")], "requestMetadata": {"team": "search"}}
    whole = bedrock_client.converse(**asked)
    streamed = bedrock_client.converse_stream(**asked)
    list(streamed["stream"])
    for record in records.of_requests([answer["ResponseMetadata"]["RequestId"] for answer in (whole, streamed)]):
        assert record["operation"] == "converse" and record["extra"] == {"team": "search"}
        assert float(record["cost"]) == pytest.approx(served_by.cost(200, 50, cache_read=1000))
        assert (record["outcome"], record["usage_source"]) == ("success", "provider_final")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "ValidationException"), (429, "ThrottlingException"), (500, "ServiceUnavailableException")],
)
def test_failures_are_the_sdks_own(bedrock_client: Any, served_by: Upstream, status: int, kind: str) -> None:
    asked = {"modelId": served_by.model, "messages": [said(marked(f"@script{{error:{status}}}"))]}
    for call in (bedrock_client.converse, bedrock_client.converse_stream):
        with pytest.raises(ClientError) as failure:
            call(**asked)
        assert failure.value.response["Error"]["Code"] in (kind, "InternalServerException")
        assert "scripted failure" in failure.value.response["Error"]["Message"]


@pytest.mark.parametrize("script", ["error-in-stream", "cut-stream", "short-stream"])
def test_a_failure_within_a_stream_is_raised(bedrock_client: Any, served_by: Upstream, script: str, gateway_only: None) -> None:
    answer = bedrock_client.converse_stream(modelId=served_by.model, messages=[said(f"@script{{{script}}}")])
    with pytest.raises(EventStreamError):
        list(answer["stream"])


def test_what_is_wrong_is_told_by_its_type(bedrock_client: Any, gateway_only: None) -> None:
    asked = {"modelId": BEDROCK_UPSTREAM.model, "messages": [said("Hi")]}
    with pytest.raises(bedrock_client.exceptions.ResourceNotFoundException):
        bedrock_client.converse(**{**asked, "modelId": "nobody/model"})
    guarded = {"guardrailConfig": {"guardrailIdentifier": "made-up", "guardrailVersion": "1"}}
    with pytest.raises(bedrock_client.exceptions.ValidationException, match="guardrail"):
        bedrock_client.converse(**{**asked, "modelId": OPENAI_UPSTREAM.model}, **guarded)
    stranger = bedrock_with("made-up-and-wrong")
    with pytest.raises(stranger.exceptions.AccessDeniedException):
        stranger.converse(**asked)


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl for a certificate")
def test_a_key_in_the_environment_is_sent_over_https(
    gateway_only: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", address_of("bedrock")["api_key"])
    with https_before(address_of("bedrock")["base_url"], tmp_path) as (url, certificate):
        client = boto3.client("bedrock-runtime", endpoint_url=url, region_name="eu-west-1", verify=str(certificate))
        text = marked("Hello over HTTPS")
        asked = {"modelId": OPENAI_UPSTREAM.model, "messages": [said(text)]}
        assert text in client.converse(**asked)["output"]["message"]["content"][0]["text"]
        assert text in gathered(client.converse_stream(**asked)["stream"])[0][0]["text"]


@contextlib.contextmanager
def https_before(url: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """An address for HTTPS in front of one for HTTP, and its certificate."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    make = [*words.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(make, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    host, port = url.removeprefix("http://").split(":")

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                plain = listener.accept()[0]
                caller, gateway = context.wrap_socket(plain, server_side=True), socket.create_connection((host, int(port)))
                for ends in ((caller, gateway), (gateway, caller)):
                    threading.Thread(target=pump, args=ends, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", certificate


def test_a_signature_is_told_what_to_send_instead(gateway_only: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
    signing = boto3.client(
        "bedrock-runtime",
        endpoint_url=address_of("bedrock")["base_url"],
        region_name="eu-west-1",
        aws_access_key_id="AKIAMADEUP",
        aws_secret_access_key="made-up",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(signing.exceptions.AccessDeniedException, match="AWS_BEARER_TOKEN_BEDROCK"):
        signing.converse(modelId=OPENAI_UPSTREAM.model, messages=[said("Hi")])


def test_tokens_are_counted(bedrock_client: Any, served_by: Upstream) -> None:
    asked = {"converse": {"messages": [said("How many tokens are these?")]}}
    assert bedrock_client.count_tokens(modelId=served_by.model, input=asked)["inputTokens"] > 0


def test_openais_sdk_reaches_bedrock(openai_client: openai.OpenAI, gateway_only: None) -> None:
    messages: list = [{"role": "user", "content": marked("Weather? @script{parallel-tools}")}]
    asked = {"model": BEDROCK_UPSTREAM.model, "tools": [openai_tool()]}
    message = openai_client.chat.completions.create(messages=messages, **asked).choices[0].message
    messages.append(message)
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "Rain"} for call in message.tool_calls]
    stream = openai_client.chat.completions.create(messages=messages, stream=True, **asked)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert "tool result: Rain | tool result: Rain" in text
