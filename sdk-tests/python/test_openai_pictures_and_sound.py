"""OpenAI SDK: pictures, sound, judgements, and rankings, which it has no method for.

The fake answers with what arrived, so every test sees both ways.
"""

from __future__ import annotations

import base64
import hashlib

import httpx
import openai
import pytest

import records
from samples import PNG_BASE64
from targets import ANTHROPIC_UPSTREAM, GATEWAY_KEY, IS_DIRECT, OPENAI_UPSTREAM, address_of, marked

PNG = base64.b64decode(PNG_BASE64)
# Every byte, and something like the end of a form: a file is passed on untouched.
SOUND = bytes(range(256)) * 40 + b"\r\n--\r\n"
SOUND_START = b"ID3" + bytes(range(256))
DOCUMENTS = ["Bergen is a town", "Oslo is the capital of Norway", "Nothing of this kind"]
QUERY = "capital of Norway"


def named(model: str) -> str:
    return model if IS_DIRECT else f"up-openai/{model}"


def seen(picture: str) -> str:
    return base64.b64decode(picture).removeprefix(b"\x89PNG\r\n\x1a\n").decode()


def assert_recorded(raw, operation: str, cost: float) -> None:
    """The call's record names what it was, and what it cost."""
    if IS_DIRECT:
        return
    (record,) = records.of_requests([raw.headers["x-request-id"]])
    assert (record["operation"], record["status"]) == (operation, 200), record
    assert float(record["cost"]) == pytest.approx(cost), record


def test_pictures_are_drawn(openai_client):
    prompt = marked("Two red pandas")
    raw = openai_client.images.with_raw_response.generate(model=named("image-model"), prompt=prompt, n=2, size="1024x1024")
    answer = raw.parse()
    assert [seen(one.b64_json) for one in answer.data] == [prompt, prompt]
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (20, 2000)
    assert_recorded(raw, "image_generations", 20 * 5e-6 + 2000 * 40e-6)
    assert IS_DIRECT or GATEWAY_KEY not in str(OPENAI_UPSTREAM.call(prompt)), "the caller's key reached the provider"


def test_pictures_are_streamed(openai_client):
    prompt = marked("A red panda")
    stream = openai_client.images.generate(model=named("image-model"), prompt=prompt, stream=True, partial_images=2)
    *partial, done = list(stream)
    assert [(one.type, one.partial_image_index) for one in partial] == [("image_generation.partial_image", at) for at in (0, 1)]
    assert done.type == "image_generation.completed" and seen(done.b64_json) == prompt
    assert done.usage.total_tokens == 1020


@pytest.mark.parametrize("count", [1, 2])
def test_pictures_are_edited(openai_client, count):
    prompt = marked("Give it a hat")
    pictures = [(f"panda-{at}.png", PNG, "image/png") for at in range(count)]
    raw = openai_client.images.with_raw_response.edit(
        model=named("image-model"), prompt=prompt, image=pictures if count > 1 else pictures[0]
    )
    parts = seen(raw.parse().data[0].b64_json).split(" | ")
    assert parts == [prompt] + [f"panda-{at}.png image/png {len(PNG)} bytes" for at in range(count)]
    assert_recorded(raw, "image_edits", (20 + 100 * count) * 5e-6 + 1000 * 40e-6)


@pytest.mark.parametrize(("kind", "content_type"), [("mp3", "audio/mpeg"), ("wav", "audio/wav")])
def test_words_are_spoken(openai_client, kind, content_type):
    text = marked("Grüße, 世界")
    spoken = openai_client.audio.speech.create(model=named("speech-model"), voice="alloy", input=text, response_format=kind)
    assert spoken.content == SOUND_START + f"alloy: {text}".encode()
    assert spoken.response.headers["content-type"] == content_type
    assert_recorded(spoken.response, "speech", len(text) * 15e-6)


def test_speech_arrives_as_it_is_made(openai_client):
    text = "Say hello. " * 100
    speech = openai_client.audio.speech.with_streaming_response
    with speech.create(model=named("speech-model"), voice="alloy", input=text) as spoken:
        assert b"".join(spoken.iter_bytes()) == SOUND_START + f"alloy: {text}".encode()


def test_speech_comes_as_events_when_asked(openai_client):
    speech = openai_client.audio.speech.with_streaming_response
    with speech.create(model=named("speech-model"), voice="alloy", input="Hello", stream_format="sse") as spoken:
        text = "".join(spoken.iter_text())
    assert text.count("speech.audio.delta") >= 2 and text.count('"type": "speech.audio.done"') == 1, text


def hear(client: openai.OpenAI, **more):
    return client.audio.transcriptions.with_raw_response.create(
        model=named("transcription-model"), file=("talk.mp3", SOUND, "audio/mpeg"), **more
    )


def test_sound_is_written_down(openai_client):
    hint = marked("Names: Ångström")
    raw = hear(openai_client, language="en", prompt=hint)
    answer = raw.parse()
    assert answer.text == f"I heard talk.mp3, {len(SOUND)} bytes, language en, prompt {hint}"
    assert answer.usage.seconds == 3
    assert OPENAI_UPSTREAM.call(hint)["body"]["file"]["sha256"] == hashlib.sha256(SOUND).hexdigest()
    assert_recorded(raw, "transcriptions", 3 * 0.0001)


def test_sound_is_written_down_at_length(openai_client):
    answer = hear(openai_client, response_format="verbose_json").parse()
    assert (answer.duration, answer.language, answer.segments) == (2.5, "english", [])


def test_sound_is_written_down_as_bare_text(openai_client):
    assert hear(openai_client, response_format="text").parse().strip() == f"I heard talk.mp3, {len(SOUND)} bytes"


def test_what_is_heard_is_streamed(openai_client):
    stream = openai_client.audio.transcriptions.create(
        model=named("transcription-model"), file=("talk.mp3", SOUND, "audio/mpeg"), stream=True
    )
    *deltas, done = list(stream)
    assert len(deltas) > 1 and "".join(one.delta for one in deltas) == done.text
    assert done.usage.total_tokens == 59


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_sound_is_translated(openai_client):
    file = ("talk.mp3", SOUND, "audio/mpeg")
    answer = openai_client.audio.translations.create(model=named("transcription-model"), file=file)
    assert answer.text == f"I heard talk.mp3, {len(SOUND)} bytes"


def test_words_are_judged(openai_client):
    answer = openai_client.moderations.create(model=named("moderation-model"), input=["I like it", "I hit it"])
    assert [one.flagged for one in answer.results] == [False, True]
    assert answer.results[1].categories.violence and answer.results[1].category_scores.violence == 0.9


def test_documents_are_ranked():
    """As callers do it, by plain HTTP."""
    address = address_of("openai")
    body = {"model": named("rerank-model"), "query": QUERY, "documents": DOCUMENTS, "top_n": 2}
    headers = {"authorization": f"Bearer {address['api_key']}"}
    raw = httpx.post(f"{address['base_url']}/rerank", json=body, headers=headers, timeout=10)
    assert raw.status_code == 200, raw.text
    assert [one["index"] for one in raw.json()["results"]] == [1, 2]
    assert raw.json()["results"][0]["relevance_score"] == 1.0
    assert_recorded(raw, "rerank", 30 * 0.05e-6)


def test_a_picture_of_an_unknown_parameter_is_refused_as_by_openai(openai_client):
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.images.generate(model=named("image-model"), prompt="x", extra_body={"sharpness": 3})
    assert caught.value.body["param"] == "sharpness"


def test_a_form_without_its_file_is_refused(openai_client):
    with pytest.raises(openai.BadRequestError):
        openai_client.post(
            "/audio/transcriptions",
            body={"model": named("transcription-model")},
            files={"prompt": (None, "x")},
            options={"headers": {"Content-Type": "multipart/form-data"}},
            cast_to=object,
        )


@pytest.mark.parametrize("model", ["up-openai/chat-model", ANTHROPIC_UPSTREAM.model])
def test_a_model_for_something_else_is_a_typed_error(openai_client, gateway_only, model):
    for ask in (
        lambda: openai_client.images.generate(model=model, prompt="x"),
        lambda: openai_client.audio.speech.create(model=model, voice="alloy", input="x"),
        lambda: openai_client.audio.transcriptions.create(model=model, file=("talk.mp3", SOUND)),
        lambda: openai_client.moderations.create(model=model, input="x"),
    ):
        with pytest.raises(openai.APIStatusError) as caught:
            ask()
        assert (caught.value.status_code, caught.value.code) == (400, "wrong_endpoint")
