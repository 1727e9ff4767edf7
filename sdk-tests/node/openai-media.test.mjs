// OpenAI SDK: pictures, sound, judgements, and rankings by plain fetch. The fake answers with what arrived.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { toFile } from "openai";
import { addressOf, anthropicUpstream, collect, gatewayOnly, isDirect, marked } from "./support.mjs";
import { openai, openaiUpstream, PNG_BASE64 } from "./support.mjs";

const PNG = Buffer.from(PNG_BASE64, "base64");
const PNG_START_BYTES = 8;
const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
const SOUND_START = Buffer.concat([Buffer.from("ID3"), EVERY_BYTE]);
// Something like the end of a form, too: a file is passed on untouched.
const SOUND = Buffer.concat([...Array.from({ length: 40 }, () => EVERY_BYTE), Buffer.from("\r\n--\r\n")]);

const named = (model) => (isDirect ? model : `up-openai/${model}`);
const seen = (picture) => Buffer.from(picture, "base64").subarray(PNG_START_BYTES).toString();
const talk = () => toFile(SOUND, "talk.mp3", { type: "audio/mpeg" });

describe("pictures", () => {
  test("are drawn", async () => {
    const prompt = marked("Two red pandas");
    const answer = await openai.images.generate({ model: named("image-model"), prompt, n: 2 });
    assert.deepEqual(answer.data.map((one) => seen(one.b64_json)), [prompt, prompt]);
    assert.equal(answer.usage.output_tokens, 2000);
    if (!isDirect) assert.ok(answer.usage.cost > 0);
    await openaiUpstream.call(prompt);
  });

  test("are streamed", async () => {
    const prompt = marked("A red panda");
    const request = { model: named("image-model"), prompt, stream: true, partial_images: 1 };
    const events = await collect(await openai.images.generate(request));
    assert.deepEqual(events.map((event) => event.type), ["image_generation.partial_image", "image_generation.completed"]);
    assert.equal(seen(events[1].b64_json), prompt);
  });

  test("are edited, several at once", async () => {
    const prompt = marked("Give them hats");
    const image = await Promise.all(["a.png", "b.png"].map((name) => toFile(PNG, name, { type: "image/png" })));
    const answer = await openai.images.edit({ model: named("image-model"), prompt, image });
    const pictures = ["a.png", "b.png"].map((name) => `${name} image/png ${PNG.length} bytes`);
    assert.equal(seen(answer.data[0].b64_json), [prompt, ...pictures].join(" | "));
  });
});

describe("sound", () => {
  test("is made of words", async () => {
    const input = marked("Grüße, 世界");
    const spoken = await openai.audio.speech.create({ model: named("speech-model"), voice: "alloy", input });
    assert.equal(spoken.headers.get("content-type"), "audio/mpeg");
    assert.deepEqual(Buffer.from(await spoken.arrayBuffer()), Buffer.concat([SOUND_START, Buffer.from(`alloy: ${input}`)]));
  });

  test("is written down", async () => {
    const prompt = marked("Names");
    const answer = await openai.audio.transcriptions.create({ model: named("transcription-model"), file: await talk(), prompt });
    assert.equal(answer.text, `I heard talk.mp3, ${SOUND.length} bytes, prompt ${prompt}`);
    const { file } = (await openaiUpstream.call(prompt)).body;
    assert.equal(file.sha256, createHash("sha256").update(SOUND).digest("hex"));
  });

  test("is written down piece by piece", async () => {
    const request = { model: named("transcription-model"), file: await talk(), stream: true };
    const events = await collect(await openai.audio.transcriptions.create(request));
    const done = events.pop();
    assert.equal(done.type, "transcript.text.done");
    assert.ok(events.length > 1);
    assert.equal(events.map((event) => event.delta).join(""), done.text);
  });
});

describe("judgements and rankings", () => {
  test("words are judged", async () => {
    const answer = await openai.moderations.create({ model: named("moderation-model"), input: ["I like it", "I hit it"] });
    assert.deepEqual(answer.results.map((one) => one.flagged), [false, true]);
  });

  test("documents are ranked", async () => {
    const { baseURL, apiKey } = addressOf("openai");
    const documents = ["Bergen is a town", "Oslo is the capital of Norway"];
    const answer = await fetch(`${baseURL}/rerank`, {
      method: "POST",
      headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
      body: JSON.stringify({ model: named("rerank-model"), query: "capital of Norway", documents }),
    });
    assert.equal(answer.status, 200);
    assert.deepEqual((await answer.json()).results.map((one) => one.index), [1, 0]);
  });

  test("a model for something else is a typed error", gatewayOnly, async () => {
    for (const model of ["up-openai/chat-model", anthropicUpstream.model]) {
      const error = await openai.images.generate({ model, prompt: "x" }).catch((error) => error);
      assert.deepEqual([error.status, error.code], [400, "wrong_endpoint"]);
    }
  });
});
