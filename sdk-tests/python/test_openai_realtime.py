"""OpenAI SDK: realtime sessions over a WebSocket, and what they cost."""

from __future__ import annotations

import asyncio
import json

import openai
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from records import signalbox
from targets import IS_DIRECT, LIVE_UPSTREAM, address_of, marked, wait_until


def say(text: str) -> dict:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def next_of(connection, kind: str):
    """The next event of this kind; an error is none that a test waits for by accident."""
    for event in connection:
        assert event.type == kind or event.type != "error", event
        if event.type == kind:
            return event
    raise AssertionError(f"the session ended before {kind}")


def record_of_session(session_id: str) -> dict:
    def find() -> dict | None:
        lines = signalbox("requests", "tail", "--json", "--limit", "50").splitlines()
        records = [json.loads(line) for line in lines if line.startswith("{")]
        return next((record for record in records if record["response_id"] == session_id), None)

    return wait_until(find)


def test_two_turns_are_answered_and_charged(openai_client):
    text = marked("How do you do?")
    with openai_client.realtime.connect(model=LIVE_UPSTREAM.model) as connection:
        session = next_of(connection, "session.created").session
        connection.session.update(
            session={"type": "realtime", "model": LIVE_UPSTREAM.model, "output_modalities": ["text"]}
        )
        assert next_of(connection, "session.updated").session.output_modalities == ["text"]
        connection.conversation.item.create(item=say(text))
        for _ in range(2):
            connection.response.create()
            next_of(connection, "response.output_text.delta")
            assert next_of(connection, "response.output_text.delta").delta == text
            done = next_of(connection, "response.done").response
            assert (done.status, done.usage.input_tokens, done.usage.output_tokens) == ("completed", 100, 20)
    call = LIVE_UPSTREAM.call(text)
    assert call["body"]["model"] == [LIVE_UPSTREAM.model_name]
    LIVE_UPSTREAM.wait_for_outcome(text, "completed")
    if not IS_DIRECT:
        record = record_of_session(session.id)
        assert (record["operation"], record["outcome"], record["status"]) == ("realtime", "success", 101)
        assert float(record["cost"]) == pytest.approx(2 * LIVE_UPSTREAM.cost(90, 20, cache_read=10))


def test_the_asynchronous_client_works_too():
    async def talk() -> str:
        async with openai.AsyncOpenAI(**address_of("openai")).realtime.connect(model=LIVE_UPSTREAM.model) as connection:
            await connection.conversation.item.create(item=say("Hello"))
            await connection.response.create()
            said = ""
            async for event in connection:
                if event.type == "response.output_text.delta":
                    said += event.delta
                if event.type == "response.done":
                    return said
        return ""

    assert asyncio.run(asyncio.wait_for(talk(), 10)) == "You said: Hello"


def test_a_refused_event_is_named_as_its_sender_did(openai_client):
    with openai_client.realtime.connect(model=LIVE_UPSTREAM.model) as connection:
        connection.conversation.item.create(item=say("@script{long}"))
        connection.response.create(event_id="first")
        next_of(connection, "response.created")
        connection.response.create(event_id="second")
        error = next_of(connection, "error").error
        assert (error.code, error.event_id) == ("conversation_already_has_active_response", "second")
        connection.response.cancel()
        assert next_of(connection, "response.done").response.status == "cancelled"


def test_leaving_in_the_middle_cancels_the_answer_and_charges_it(openai_client, gateway_only):
    text = marked("@script{long}")
    with openai_client.realtime.connect(model=LIVE_UPSTREAM.model) as connection:
        session = next_of(connection, "session.created").session
        connection.conversation.item.create(item=say(text))
        connection.response.create()
        next_of(connection, "response.output_text.delta")
    # The fake tells the usage of such a response when it is cancelled, and never else.
    record = record_of_session(session.id)
    assert record["usage_source"] == "provider_final"
    assert float(record["cost"]) == pytest.approx(LIVE_UPSTREAM.cost(90, 20, cache_read=10))


@pytest.mark.parametrize(
    ("model", "status"),
    [("up-live/no-such-model", 404), ("up-openai/chat-model", 400), ("up-live/gone-model", 404)],
)
def test_a_model_that_cannot_be_talked_to_is_refused_before_the_session(openai_client, gateway_only, model, status):
    with pytest.raises(InvalidStatus) as raised:
        openai_client.realtime.connect(model=model).enter()
    response = raised.value.response
    assert response.status_code == status
    assert json.loads(response.body)["error"]["code"]
    assert response.headers["x-request-id"].startswith("req_")


def test_a_wrong_key_opens_nothing():
    client = openai.OpenAI(base_url=address_of("openai")["base_url"], api_key="sk-made-up-wrong", max_retries=0)
    with pytest.raises(InvalidStatus) as raised:
        client.realtime.connect(model=LIVE_UPSTREAM.model).enter()
    assert raised.value.response.status_code == 401


def test_what_is_no_event_is_answered_and_the_session_goes_on(openai_client, gateway_only):
    with openai_client.realtime.connect(model=LIVE_UPSTREAM.model) as connection:
        next_of(connection, "session.created")
        connection.send_raw("not json")
        assert next_of(connection, "error").error.code == "invalid_request"
        connection.response.create()
        assert next_of(connection, "response.done").response.status == "completed"
        connection.close(code=1000)
        with pytest.raises(ConnectionClosed):
            connection.recv()
