"""Anthropic SDK: answers that follow a schema, read with the SDK's own parse helpers."""

from __future__ import annotations

from samples import Person


def test_parse_returns_the_typed_object(anthropic_client, upstream):
    messages = [{"role": "user", "content": "Who?"}]
    message = anthropic_client.messages.parse(
        model=upstream.model, max_tokens=500, messages=messages, output_format=Person
    )
    assert isinstance(message.parsed_output, Person)
    assert message.parsed_output.addresses[0].number == 7
    assert message.stop_reason == "end_turn"


def test_parse_works_while_streaming(anthropic_client, upstream):
    messages = [{"role": "user", "content": "Who?"}]
    with anthropic_client.messages.stream(
        model=upstream.model, max_tokens=500, messages=messages, output_format=Person
    ) as stream:
        final = stream.get_final_message()
    assert isinstance(final.parsed_output, Person)
