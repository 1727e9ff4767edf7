"""OpenAI SDK: the Responses API, against upstreams that speak it and upstreams that do not."""

from __future__ import annotations

import openai
import pytest

from samples import PDF_DATA_URL, PDF_SEEN, PICTURE_URL, PNG_DATA_URL, PNG_SEEN, Person
from targets import ANTHROPIC_UPSTREAM, IS_DIRECT, OPENAI_UPSTREAM, RESPONSES_UPSTREAM, Upstream, address_of, marked

CRUMBS_TEXT = "Grüße, 世界 👋🏽\u2028done"
KNOWN_RESPONSE = "resp_of_an_earlier_call"
TRANSLATED = [OPENAI_UPSTREAM, ANTHROPIC_UPSTREAM]


@pytest.fixture(params=[RESPONSES_UPSTREAM, *TRANSLATED], ids=lambda one: f"{one.vendor}-upstream")
def upstream(request: pytest.FixtureRequest) -> Upstream:
    if IS_DIRECT and request.param is not RESPONSES_UPSTREAM:
        pytest.skip("needs the gateway to translate")
    return request.param


@pytest.fixture
def client() -> openai.OpenAI:
    return openai.OpenAI(**address_of("openai"), max_retries=0, timeout=30.0)


def ask(client: openai.OpenAI, upstream: Upstream, given, **more):
    return client.responses.create(model=upstream.model, input=given, **more)


def user(*content) -> list:
    return [{"role": "user", "content": list(content)}]


def text_of(part: str) -> dict:
    return {"type": "input_text", "text": part}


def test_a_plain_question_is_answered(client, upstream):
    text = marked("Hello")
    answer = ask(client, upstream, text)
    assert answer.output_text.startswith(f"You said: {text}")
    assert (answer.object, answer.status, answer.error, answer.incomplete_details) == ("response", "completed", None, None)
    assert answer.id.startswith("resp_")
    assert answer.created_at > 1_600_000_000
    (message,) = answer.output
    assert (message.type, message.role, message.status) == ("message", "assistant", "completed")
    assert message.content[0].annotations == []


def test_the_answer_repeats_the_settings_of_its_request(client, upstream):
    settings = {"instructions": "Be terse.", "max_output_tokens": 900, "metadata": {"job": "7"}, "temperature": 0.5}
    answer = ask(client, upstream, "Hi", **settings)
    assert "system: Be terse." in answer.output_text
    assert {name: getattr(answer, name) for name in settings} == settings
    assert (answer.tool_choice, answer.tools, answer.parallel_tool_calls) == ("auto", [], True)
    assert (answer.truncation, answer.previous_response_id, answer.text.format.type) == ("disabled", None, "text")


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_prompt_among_the_items_reaches_the_model(client, upstream, role):
    items = [{"role": role, "content": "Be terse."}, {"role": "user", "content": "Hi"}]
    assert "system: Be terse." in ask(client, upstream, items).output_text


def test_a_conversation_continues_with_the_items_of_the_answer(client, upstream):
    items = [{"role": "user", "content": "First"}]
    items += ask(client, upstream, items).output
    items.append({"role": "user", "content": "Third"})
    assert "turns: 3" in ask(client, upstream, items).output_text


def test_a_streamed_answer_equals_the_whole_one(client, upstream):
    text = marked("Stream it")
    whole = ask(client, upstream, text)
    events = list(ask(client, upstream, text, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(pieces) == whole.output_text
    assert len(pieces) > 3, "the stream came in one lump"
    assert events[-1].response.output_text == whole.output_text
    assert len({event.response.id for event in events if hasattr(event, "response")}) == 1


def test_the_stream_helper_collects_the_answer(client, upstream):
    text = marked("Collect it")
    with client.responses.stream(model=upstream.model, input=text) as stream:
        streamed = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert final.output_text == streamed
    assert streamed.startswith(f"You said: {text}")
    assert final.usage.total_tokens == 120


def test_a_stream_cut_into_crumbs_keeps_every_character(client, upstream):
    events = ask(client, upstream, "@script{crumbs}", stream=True)
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == CRUMBS_TEXT


@pytest.mark.anyio
async def test_the_asynchronous_client_streams_too(upstream):
    async with openai.AsyncOpenAI(**address_of("openai"), max_retries=0) as client:
        stream = await client.responses.create(model=upstream.model, input="Hi there", stream=True)
        text = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
    assert text.startswith("You said: Hi there")


def test_an_answer_at_its_token_limit_is_incomplete(client, upstream):
    answer = ask(client, upstream, "@script{length}", max_output_tokens=16)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    last = list(ask(client, upstream, "@script{length}", max_output_tokens=16, stream=True))[-1]
    assert (last.type, last.response.incomplete_details.reason) == ("response.incomplete", "max_output_tokens")


def test_a_refusal_can_be_told_from_an_answer(client, upstream):
    answer = ask(client, upstream, "@script{refusal}")
    kinds = {part.type for item in answer.output for part in item.content}
    assert kinds == {"refusal"} or answer.incomplete_details.reason == "content_filter"


@pytest.mark.parametrize("seen, url", [(PNG_SEEN, PNG_DATA_URL), (f"url {PICTURE_URL}", PICTURE_URL)])
def test_a_picture_reaches_the_model(client, upstream, seen, url):
    picture = {"type": "input_image", "image_url": url, "detail": "auto"}
    assert f"image: {seen}" in ask(client, upstream, user(text_of("What?"), picture)).output_text


def test_a_document_reaches_the_model(client, upstream):
    paper = {"type": "input_file", "filename": "paper.pdf", "file_data": PDF_DATA_URL}
    assert PDF_SEEN in ask(client, upstream, user(text_of("What?"), paper)).output_text


def test_parse_returns_the_typed_object(client, upstream):
    answer = client.responses.parse(model=upstream.model, input="Who?", text_format=Person)
    assert answer.output_parsed.addresses[0].number == 7
    assert answer.text.format.type == "json_schema"


def test_parse_works_while_streaming(client, upstream):
    with client.responses.stream(model=upstream.model, input="Who?", text_format=Person) as stream:
        assert stream.get_final_response().output_parsed.age == 7


def test_usage_adds_up_and_has_a_cost(client, upstream):
    usage = ask(client, upstream, "@script{cache-read}").usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (1200, 50, 1250)
    assert usage.input_tokens_details.cached_tokens == 1000
    assert usage.output_tokens_details.reasoning_tokens == 0
    if not IS_DIRECT:
        assert usage.cost == pytest.approx(upstream.cost(200, 50, cache_read=1000))
    last = list(ask(client, upstream, "@script{cache-read}", stream=True))[-1].response.usage
    assert last == usage


def test_settings_that_an_upstream_does_not_know_do_not_fail_the_request(client, upstream):
    labels = {"user": "end-user-1", "safety_identifier": "s", "metadata": {"job": "7"}, "prompt_cache_key": "k"}
    others = {"store": False, "service_tier": "auto", "truncation": "disabled", "top_p": 0.9, "text": {"verbosity": "low"}}
    assert ask(client, upstream, "Hi", **labels, **others).output_text


@pytest.mark.parametrize("field, value", [("previous_response_id", KNOWN_RESPONSE), ("conversation", "conv_1")])
@pytest.mark.parametrize("translated", TRANSLATED, ids=lambda one: one.vendor)
def test_state_at_a_provider_without_it_is_refused_by_name(client, gateway_only, translated, field, value):
    text = marked("Hi")
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, translated, text, **{field: value})
    assert field in caught.value.message
    assert caught.value.body["origin"] == "router"
    assert translated.calls(text) == []


def test_an_earlier_answer_is_known_to_its_own_provider(client):
    text = marked("Hi")
    ask(client, RESPONSES_UPSTREAM, text, previous_response_id=KNOWN_RESPONSE)
    assert RESPONSES_UPSTREAM.call(text)["body"]["previous_response_id"] == KNOWN_RESPONSE


def test_fields_newer_than_the_gateway_reach_their_own_vendor(client):
    text = marked("Hi")
    newer = {"moderation": {"model": "made-up"}, "context_management": [{"type": "made-up"}]}
    ask(client, RESPONSES_UPSTREAM, text, extra_body=newer)
    body = RESPONSES_UPSTREAM.call(text)["body"]
    assert {name: body[name] for name in newer} == newer


def test_a_stored_answer_is_not_found(client, gateway_only):
    for call in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
        with pytest.raises(openai.NotFoundError) as caught:
            call("resp_1")
        assert caught.value.code == "stored_by_provider"


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("status, seen", [(400, 400), (401, 502), (429, 429), (500, 502), (503, 503), (529, 529)])
def test_an_upstream_failure_is_typed(client, upstream, gateway_only, status, seen, is_streamed):
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, upstream, f"@script{{error:{status}}}", stream=is_streamed)
    assert caught.value.status_code == seen
    assert caught.value.body["origin"] == "provider"
    assert isinstance(caught.value.body["message"], str)


@pytest.mark.parametrize("script", ["error-in-stream", "cut-stream", "short-stream"])
def test_a_stream_that_breaks_does_not_look_complete(client, upstream, gateway_only, script):
    kinds = []
    try:
        kinds += [event.type for event in ask(client, upstream, f"@script{{{script}}}", stream=True)]
    except openai.APIError as error:
        kinds.append(type(error).__name__)
    assert "response.completed" not in kinds
    assert {"error", "response.failed", "APIError"} & set(kinds)
