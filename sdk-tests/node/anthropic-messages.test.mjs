// Anthropic SDK: conversations, streams, stop reasons, usage and cost, pictures and documents.

import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import {
  CRUMBS_TEXT,
  PDF_BASE64,
  PDF_SEEN,
  PICTURE_URL,
  PNG_BASE64,
  PNG_SEEN,
  anthropic,
  assertClose,
  collect,
  forEachUpstream,
  gatewayKey,
  gatewayOnly,
  gatewayUrl,
  isDirect,
  marked,
} from "./support.mjs";

const user = (content) => [{ role: "user", content }];

forEachUpstream("anthropic", (upstream) => {
  const settings = (content, more = {}) => ({
    model: upstream.model,
    max_tokens: 200,
    messages: user(content),
    ...more,
  });
  const ask = (content, more) => anthropic.messages.create(settings(content, more));
  const textOf = async (content, more) => (await ask(content, more)).content[0].text;

  test("a plain question is answered", async () => {
    const text = marked("Hello");
    const message = await ask(text);
    assert.deepEqual([message.type, message.role, message.stop_reason], ["message", "assistant", "end_turn"]);
    assert.ok(message.content[0].text.startsWith(`You said: ${text}`));
  });

  test("a system prompt reaches the model", async () => {
    assert.match(await textOf("Hi", { system: "Be terse." }), /system: Be terse\./);
    const system = [{ type: "text", text: "Be kind.", cache_control: { type: "ephemeral" } }];
    assert.match(await textOf("Hi", { system }), /system: Be kind\./);
  });

  test("a conversation of several turns keeps its order", async () => {
    const messages = [...user("First"), { role: "assistant", content: "Second" }, ...user("Third")];
    assert.match(await textOf("", { messages }), /turns: 3/);
  });

  test("stream events come in the order of the protocol", async () => {
    const events = await collect(await ask("Hi", { stream: true }));
    const kinds = events.map((event) => event.type);
    assert.deepEqual(kinds.slice(0, 2), ["message_start", "content_block_start"]);
    assert.deepEqual(kinds.slice(-3), ["content_block_stop", "message_delta", "message_stop"]);
    assert.ok(kinds.length > 8, "the stream came in one lump");
    assert.equal(events.at(-2).delta.stop_reason, "end_turn");
  });

  test("the stream helper collects the answer", async () => {
    const stream = anthropic.messages.stream(settings("Collect it"));
    let streamed = "";
    stream.on("text", (piece) => (streamed += piece));
    const final = await stream.finalMessage();
    assert.equal(final.content[0].text, streamed);
    assert.ok(streamed.startsWith("You said: Collect it"));
    assert.deepEqual([final.usage.input_tokens, final.usage.output_tokens], [100, 20]);
  });

  test("a stream cut into crumbs keeps every character", async () => {
    assert.equal(await anthropic.messages.stream(settings("@script{crumbs}")).finalText(), CRUMBS_TEXT);
  });

  for (const [script, reason] of [["length", "max_tokens"], ["refusal", "refusal"]]) {
    test(`the stop reason ${reason} is told whole and streamed`, async () => {
      assert.equal((await ask(`@script{${script}}`)).stop_reason, reason);
      const final = await anthropic.messages.stream(settings(`@script{${script}}`)).finalMessage();
      assert.equal(final.stop_reason, reason);
    });
  }

  test("a stop sequence ends the answer", async () => {
    const text = await textOf("@script{say:one two STOP three}", { stop_sequences: ["STOP"] });
    assert.equal(text.trim(), "one two");
  });

  test("usage counts cached tokens beside the others and has a cost", async () => {
    const plain = (await ask("Hi")).usage;
    assert.deepEqual([plain.input_tokens, plain.output_tokens], [100, 20]);
    if (!isDirect) assertClose(plain.cost, upstream.cost());
    const cached = (await ask("@script{cache-read}")).usage;
    assert.deepEqual([cached.input_tokens, cached.cache_read_input_tokens, cached.output_tokens], [200, 1000, 50]);
  });

  test("streams end with usage and cost", async () => {
    const events = await collect(await ask("Hi", { stream: true }));
    const [last] = events.filter((event) => event.type === "message_delta");
    assert.equal(last.usage.output_tokens, 20);
    if (!isDirect) assertClose(last.usage.cost, upstream.cost());
  });

  for (const [what, source, seen] of [
    ["as data", { type: "base64", media_type: "image/png", data: PNG_BASE64 }, PNG_SEEN],
    ["by address", { type: "url", url: PICTURE_URL }, `url ${PICTURE_URL}`],
  ]) {
    test(`a picture ${what} reaches the model`, async () => {
      const content = [{ type: "text", text: "What?" }, { type: "image", source }];
      assert.ok((await textOf(content)).includes(`image: ${seen}`));
    });
  }

  test("a PDF as data reaches the model", async () => {
    const source = { type: "base64", media_type: "application/pdf", data: PDF_BASE64 };
    const answer = await textOf([{ type: "text", text: "What?" }, { type: "document", source, title: "paper.pdf" }]);
    assert.ok(answer.includes(PDF_SEEN));
  });

  test("tokens are counted without asking for an answer", async () => {
    const count = await anthropic.messages.countTokens({ model: upstream.model, messages: user("How many?") });
    assert.ok(count.input_tokens > 0);
  });

  test("a bearer token is accepted like a key", gatewayOnly, async () => {
    const client = new Anthropic({ baseURL: gatewayUrl, authToken: gatewayKey, apiKey: null, maxRetries: 0 });
    assert.equal((await client.messages.create(settings("Hi"))).stop_reason, "end_turn");
  });

  test("metadata and headers stay in the gateway", gatewayOnly, async () => {
    const text = marked("Hi");
    const { response } = await anthropic.messages
      .create(settings(text, { requesty: { tags: ["sdk-tests"] } }), { headers: { "X-Requesty-Team": "Panda" } })
      .withResponse();
    const { body, headers } = await upstream.call(text);
    assert.doesNotMatch(JSON.stringify(body), /requesty/i);
    assert.deepEqual(Object.keys(headers).filter((name) => /^x-(requesty|stainless)/.test(name)), []);
    assert.equal(response.headers.get("x-requesty-provider"), upstream.provider);
  });
});
