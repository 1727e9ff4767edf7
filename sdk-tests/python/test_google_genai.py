"""Google's SDK against all three upstreams, and the other vendors' SDKs against Google's."""

from __future__ import annotations

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types

from samples import PDF, PDF_SEEN, PNG, PNG_SEEN, WEATHER_SCHEMA, Person, anthropic_tool, openai_tool
from targets import (
    ANTHROPIC_UPSTREAM,
    GOOGLE_UPSTREAM,
    IS_DIRECT,
    OPENAI_UPSTREAM,
    Upstream,
    address_of,
    marked,
)

WEATHER = {"name": "get_weather", "description": "Does get_weather.", "parameters_json_schema": WEATHER_SCHEMA}


@pytest.fixture(
    params=[GOOGLE_UPSTREAM, OPENAI_UPSTREAM, ANTHROPIC_UPSTREAM], ids=lambda upstream: f"{upstream.vendor}-upstream"
)
def served_by(request: pytest.FixtureRequest) -> Upstream:
    if IS_DIRECT and request.param.vendor != "google":
        pytest.skip("needs the gateway to translate")
    return request.param


def config(**fields: object) -> types.GenerateContentConfig:
    off = types.AutomaticFunctionCallingConfig(disable=True)
    return types.GenerateContentConfig(automatic_function_calling=off, **fields)


def test_a_call_is_answered_and_counted(google_client: genai.Client, served_by: Upstream) -> None:
    said = marked("Hello, Gemini")
    answer = google_client.models.generate_content(
        model=served_by.model, contents=said, config=config(system_instruction="Be brief.", max_output_tokens=200)
    )
    assert said in answer.text and "system: Be brief." in answer.text
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert (answer.usage_metadata.prompt_token_count, answer.usage_metadata.candidates_token_count) == (100, 20)
    assert served_by.call(said)["outcome"] == "completed"


def test_a_stream_arrives_in_pieces(google_client: genai.Client, served_by: Upstream) -> None:
    said = marked("Stream this, please")
    pieces = list(google_client.models.generate_content_stream(model=served_by.model, contents=said))
    assert len(pieces) > 3
    assert said in "".join(piece.text or "" for piece in pieces)
    assert pieces[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert pieces[-1].usage_metadata.total_token_count == 120


def test_a_stream_cut_inside_characters_is_whole(google_client: genai.Client, served_by: Upstream) -> None:
    pieces = google_client.models.generate_content_stream(model=served_by.model, contents="@script{crumbs}")
    assert "".join(piece.text or "" for piece in pieces) == "Grüße, 世界 👋🏽\u2028done"


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_tools_are_called_and_answered(google_client: genai.Client, served_by: Upstream, is_streamed: bool) -> None:
    said = marked("Weather? @script{parallel-tools}")
    asked = config(tools=[types.Tool(function_declarations=[WEATHER])])
    contents = [types.UserContent(said)]
    if is_streamed:
        pieces = list(google_client.models.generate_content_stream(model=served_by.model, contents=contents, config=asked))
        parts = [part for piece in pieces for part in (piece.candidates[0].content.parts or [])]
    else:
        answer = google_client.models.generate_content(model=served_by.model, contents=contents, config=asked)
        parts = answer.candidates[0].content.parts
    calls = [part.function_call for part in parts if part.function_call]
    assert [call.args["city"] for call in calls] == ["Paris", "Tōkyō"]
    contents.append(types.ModelContent(parts))
    results = [
        types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": f"Rain {n}"}))
        for n, call in enumerate(calls)
    ]
    contents.append(types.UserContent(results))
    answer = google_client.models.generate_content(model=served_by.model, contents=contents, config=asked)
    assert "tool result: Rain 0 | tool result: Rain 1" in answer.text


def test_a_chat_remembers_its_streams(google_client: genai.Client, served_by: Upstream) -> None:
    chat = google_client.chats.create(model=served_by.model)
    assert "".join(piece.text or "" for piece in chat.send_message_stream(marked("One")))
    assert "turns: 3" in chat.send_message(marked("Two")).text


def test_thoughts_are_shown_and_go_back(google_client: genai.Client, served_by: Upstream) -> None:
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=2000)
    if served_by.vendor == "openai":
        thinking = types.ThinkingConfig(include_thoughts=True, thinking_level="LOW")
    chat = google_client.chats.create(model=served_by.model, config=config(thinking_config=thinking, max_output_tokens=4000))
    answer = chat.send_message(marked("Think. @script{thinking}"))
    thoughts = [part.text for part in answer.candidates[0].content.parts if part.thought]
    assert "".join(thoughts).startswith("The user wants an answer."), answer
    assert answer.usage_metadata.thoughts_token_count == 40 or served_by.vendor == "anthropic"
    assert "turns: 3" in chat.send_message(marked("And now?")).text


def test_pictures_and_documents_arrive(google_client: genai.Client, served_by: Upstream) -> None:
    parts = [types.Part.from_bytes(data=PNG, mime_type="image/png"), marked("Look.")]
    assert f"image: {PNG_SEEN}" in google_client.models.generate_content(model=served_by.model, contents=parts).text
    parts = [types.Part.from_bytes(data=PDF, mime_type="application/pdf"), marked("Read.")]
    assert PDF_SEEN in google_client.models.generate_content(model=served_by.model, contents=parts).text


def test_an_answer_follows_a_schema(google_client: genai.Client, served_by: Upstream) -> None:
    asked = config(response_mime_type="application/json", response_schema=Person)
    answer = google_client.models.generate_content(model=served_by.model, contents=marked("Who?"), config=asked)
    assert isinstance(answer.parsed, Person)


def test_a_limit_is_told(google_client: genai.Client, served_by: Upstream) -> None:
    answer = google_client.models.generate_content(model=served_by.model, contents="@script{length}")
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS


@pytest.mark.parametrize(("status", "kind"), [(400, errors.ClientError), (429, errors.ClientError), (500, errors.ServerError)])
def test_failures_are_the_sdks_own(google_client: genai.Client, served_by: Upstream, status: int, kind: type) -> None:
    with pytest.raises(kind) as failure:
        google_client.models.generate_content(model=served_by.model, contents=marked(f"@script{{error:{status}}}"))
    assert failure.value.code in (status, 502)


def test_a_failure_within_a_stream_is_raised(google_client: genai.Client, served_by: Upstream) -> None:
    with pytest.raises(errors.APIError):
        list(google_client.models.generate_content_stream(model=served_by.model, contents="@script{error-in-stream}"))


def test_an_unknown_key_is_refused(gateway_only: None) -> None:
    options = types.HttpOptions(base_url=address_of("google")["base_url"], timeout=30_000)
    client = genai.Client(api_key="made-up-and-wrong", http_options=options)
    with pytest.raises(errors.ClientError) as failure:
        client.models.generate_content(model=GOOGLE_UPSTREAM.model, contents="Hi")
    assert (failure.value.code, failure.value.status) == (401, "UNAUTHENTICATED")


def test_tokens_are_counted(google_client: genai.Client, served_by: Upstream) -> None:
    counted = google_client.models.count_tokens(model=served_by.model, contents="How many tokens are these?")
    assert counted.total_tokens == 42 if served_by.vendor == "google" else counted.total_tokens > 0


def test_models_are_listed(google_client: genai.Client, gateway_only: None) -> None:
    names = [model.name for model in google_client.models.list()]
    assert "models/up-google/gemini-3-flash-preview" in names
    assert google_client.models.get(model=OPENAI_UPSTREAM.model).supported_actions


def test_openais_sdk_brings_signatures_back(openai_client: openai.OpenAI, gateway_only: None) -> None:
    messages: list = [{"role": "user", "content": marked("Weather? @script{parallel-tools}")}]
    asked = {"model": GOOGLE_UPSTREAM.model, "tools": [openai_tool()]}
    message = openai_client.chat.completions.create(messages=messages, **asked).choices[0].message
    messages.append(message)
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "Rain"} for call in message.tool_calls]
    again = openai_client.chat.completions.with_raw_response.create(messages=messages, **asked)
    assert "tool result: Rain | tool result: Rain" in again.parse().choices[0].message.content
    assert "signature" not in again.headers.get("x-signalbox-warnings", "")


def test_openais_sdk_streams_thoughts(openai_client: openai.OpenAI, gateway_only: None) -> None:
    stream = openai_client.chat.completions.create(
        model=GOOGLE_UPSTREAM.model,
        messages=[{"role": "user", "content": "@script{thinking}"}],
        reasoning_effort="low",
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    thoughts = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert thoughts.startswith("The user wants an answer.")
    assert "".join(delta.content or "" for delta in deltas) == "The answer is 42."
    assert chunks[-1].usage.completion_tokens_details.reasoning_tokens == 40


def test_anthropics_sdk_brings_signatures_back(anthropic_client: anthropic.Anthropic, gateway_only: None) -> None:
    messages: list = [{"role": "user", "content": marked("Weather? @script{parallel-tools}")}]
    asked = {"model": GOOGLE_UPSTREAM.model, "max_tokens": 500, "tools": [anthropic_tool()]}
    with anthropic_client.messages.stream(messages=messages, **asked) as stream:
        message = stream.get_final_message()
    messages.append({"role": "assistant", "content": message.content})
    calls = [block for block in message.content if block.type == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "Rain"} for call in calls]
    messages.append({"role": "user", "content": results})
    again = anthropic_client.messages.with_raw_response.create(messages=messages, **asked)
    assert "tool result: Rain | tool result: Rain" in again.parse().content[0].text
    assert "signature" not in again.headers.get("x-signalbox-warnings", "")
