// Anthropic SDK: tool use, thinking, structured output.

import assert from "node:assert/strict";
import { test } from "node:test";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import {
  EMPTY_SCHEMA,
  PARIS,
  PNG_BASE64,
  PNG_SEEN,
  Person,
  THINKING_TEXT,
  TOKYO,
  anthropic,
  anthropicTool,
  collect,
  forEachUpstream,
  marked,
} from "./support.mjs";

const user = (content) => [{ role: "user", content }];
const thinking = { type: "enabled", budget_tokens: 2048 };

forEachUpstream("anthropic", (upstream) => {
  const settings = (content, more = {}) => ({
    model: upstream.model,
    max_tokens: 4000,
    messages: user(content),
    ...more,
  });
  const ask = (content, more) => anthropic.messages.create(settings(content, more));

  test("parallel tool uses stay apart", async () => {
    const message = await ask("@script{parallel-tools}", { tools: [anthropicTool()] });
    assert.equal(message.stop_reason, "tool_use");
    assert.deepEqual(message.content.map((block) => block.input), [PARIS, TOKYO]);
    assert.notEqual(message.content[0].id, message.content[1].id);
  });

  test("streamed tool inputs come in pieces and add up", async () => {
    const stream = anthropic.messages.stream(settings("@script{parallel-tools}", { tools: [anthropicTool()] }));
    let pieces = 0;
    stream.on("inputJson", () => (pieces += 1));
    const final = await stream.finalMessage();
    assert.deepEqual(final.content.map((block) => block.input), [PARIS, TOKYO]);
    assert.ok(pieces > 4, "the inputs came in one lump");
  });

  test("a tool without arguments gives an empty input", async () => {
    const more = { tools: [anthropicTool("get_time", EMPTY_SCHEMA)] };
    assert.deepEqual((await ask("@script{tool-without-arguments}", more)).content[0].input, {});
    const final = await anthropic.messages.stream(settings("@script{tool-without-arguments}", more)).finalMessage();
    assert.deepEqual(final.content[0].input, {});
  });

  test("tool results make the round trip, pictures included", async () => {
    const messages = user(marked("@script{tools}"));
    const again = { messages, tools: [anthropicTool()] };
    const first = await ask("", again);
    const content = [
      { type: "text", text: "21 degrees" },
      { type: "image", source: { type: "base64", media_type: "image/png", data: PNG_BASE64 } },
    ];
    const result = { type: "tool_result", tool_use_id: first.content[0].id, content };
    messages.push({ role: "assistant", content: first.content }, { role: "user", content: [result] });
    const { text } = (await ask("", again)).content[0];
    assert.match(text, /21 degrees/);
    assert.ok(text.includes(`image: ${PNG_SEEN}`));
  });

  for (const choice of [{ type: "any" }, { type: "tool", name: "get_time" }]) {
    test(`the forced tool choice ${choice.type} makes the model call`, async () => {
      const tools = [anthropicTool("get_time", EMPTY_SCHEMA), anthropicTool()];
      assert.equal((await ask("Just talk", { tools, tool_choice: choice })).content[0].name, "get_time");
    });
  }

  test("thinking comes before the answer", async () => {
    const message = await ask("@script{thinking}", { thinking });
    assert.deepEqual(message.content.map((block) => block.type), ["thinking", "text"]);
    assert.equal(message.content[0].thinking, THINKING_TEXT);
    assert.equal(message.content[1].text, "The answer is 42.");
  });

  test("thinking streams before the answer", async () => {
    const events = await collect(await ask("@script{thinking}", { thinking, stream: true }));
    const starts = events.filter((event) => event.type === "content_block_start");
    assert.deepEqual(starts.map((event) => event.content_block.type), ["thinking", "text"]);
    const pieces = events.filter((event) => event.delta?.type === "thinking_delta");
    assert.equal(pieces.map((event) => event.delta.thinking).join(""), THINKING_TEXT);
  });

  for (const isStreamed of [false, true]) {
    test(`thinking goes back on the tool turn, ${isStreamed ? "streamed" : "whole"}`, async () => {
      const messages = user(marked("@script{thinking-tools}"));
      const again = { messages, tools: [anthropicTool()], thinking };
      const first = isStreamed
        ? await anthropic.messages.stream(settings("", again)).finalMessage()
        : await ask("", again);
      assert.deepEqual(first.content.map((block) => block.type), ["thinking", "tool_use"]);
      const result = { type: "tool_result", tool_use_id: first.content[1].id, content: "21 degrees" };
      messages.push({ role: "assistant", content: first.content }, { role: "user", content: [result] });
      assert.match((await ask("", again)).content[0].text, /tool result: 21 degrees/);
    });
  }

  test("parse returns the typed object", async () => {
    const message = await anthropic.messages.parse(
      settings("Who?", { output_config: { format: zodOutputFormat(Person) } }),
    );
    assert.equal(message.parsed_output.addresses[0].number, 7);
    assert.equal(message.stop_reason, "end_turn");
  });
});
