// OpenAI SDK: the Responses API, against upstreams that speak it and upstreams that do not.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import {
  CRUMBS_TEXT,
  PARIS,
  PDF_DATA_URL,
  PDF_SEEN,
  PICTURE_URL,
  PNG_DATA_URL,
  PNG_SEEN,
  Person,
  THINKING_TEXT,
  TOKYO,
  anthropic,
  anthropicTool,
  anthropicUpstream,
  assertClose,
  collect,
  gatewayOnly,
  isDirect,
  marked,
  openai,
  openaiTool,
  openaiUpstream,
  responsesTool,
  responsesUpstream,
} from "./support.mjs";

const KNOWN_RESPONSE = "resp_of_an_earlier_call";
const callsIn = (response) => response.output.filter((item) => item.type === "function_call");
const resultOf = (call, output) => ({ type: "function_call_output", call_id: call.call_id, output });
const reasoningText = (item) => (item.summary.length ? item.summary : item.content).map((part) => part.text).join("");

for (const upstream of isDirect ? [responsesUpstream] : [responsesUpstream, openaiUpstream, anthropicUpstream]) {
  describe(`openai SDK, Responses, ${upstream.vendor} upstream`, () => {
    const ask = (input, more = {}) => openai.responses.create({ model: upstream.model, input, ...more });
    const finalOf = async (answer) => ("id" in answer ? answer : (await collect(answer)).at(-1).response);

    test("a plain question is answered", async () => {
      const text = marked("Hello");
      const answer = await ask(text, { instructions: "Be terse." });
      assert.equal(answer.object, "response");
      assert.equal(answer.status, "completed");
      assert.equal(answer.instructions, "Be terse.");
      assert.match(answer.id, /^resp_/);
      assert.ok(answer.output_text.startsWith(`You said: ${text}`));
      assert.match(answer.output_text, /system: Be terse\./);
    });

    test("a conversation continues with the items of the answer", async () => {
      const input = [{ role: "user", content: "First" }];
      input.push(...(await ask(input)).output, { role: "user", content: "Third" });
      assert.match((await ask(input)).output_text, /turns: 3/);
    });

    test("a streamed answer equals the whole one", async () => {
      const text = marked("Stream it");
      const events = await collect(await ask(text, { stream: true }));
      const pieces = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
      assert.equal(pieces.join(""), (await ask(text)).output_text);
      assert.ok(pieces.length > 3, "the stream came in one lump");
      assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
      assert.equal(events[0].type, "response.created");
      assert.equal(events.at(-1).type, "response.completed");
      assert.equal(events.at(-1).response.id, events[0].response.id);
    });

    test("the stream helper collects the answer", async () => {
      const stream = openai.responses.stream({ model: upstream.model, input: "Collect it" });
      let streamed = "";
      stream.on("response.output_text.delta", (event) => (streamed += event.delta));
      assert.equal((await stream.finalResponse()).output_text, streamed);
      assert.ok(streamed.startsWith("You said: Collect it"));
    });

    test("a stream cut into crumbs keeps every character", async () => {
      const events = await collect(await ask("@script{crumbs}", { stream: true }));
      const pieces = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
      assert.equal(pieces.join(""), CRUMBS_TEXT);
    });

    for (const stream of [false, true]) {
      const how = stream ? "streamed" : "whole";

      test(`an answer at its token limit is incomplete, ${how}`, async () => {
        const answer = await finalOf(await ask("@script{length}", { stream }));
        assert.equal(answer.status, "incomplete");
        assert.equal(answer.incomplete_details.reason, "max_output_tokens");
      });

      test(`usage adds up and has a cost, ${how}`, async () => {
        const { usage } = await finalOf(await ask("Hi", { stream }));
        assert.deepEqual([usage.input_tokens, usage.output_tokens, usage.total_tokens], [100, 20, 120]);
        assert.equal(usage.input_tokens_details.cached_tokens, 0);
        if (!isDirect) assertClose(usage.cost, upstream.cost());
      });

      test(`tool results make the round trip, ${how}`, async () => {
        const input = [{ role: "user", content: marked("@script{parallel-tools}") }];
        const answer = await finalOf(await ask(input, { tools: [responsesTool()], stream }));
        assert.deepEqual(callsIn(answer).map((call) => JSON.parse(call.arguments)), [PARIS, TOKYO]);
        input.push(...answer.output, ...callsIn(answer).map((call, at) => resultOf(call, `${20 + at} degrees`)));
        const { output_text } = await ask(input, { tools: [responsesTool()] });
        assert.match(output_text, /tool result: 20 degrees/);
        assert.match(output_text, /tool result: 21 degrees/);
      });

      test(`reasoning goes back on the tool turn, ${how}`, async () => {
        const input = [{ role: "user", content: marked("@script{thinking-tools}") }];
        const include = ["reasoning.encrypted_content"];
        const settings = { tools: [responsesTool()], reasoning: { effort: "low" }, store: false, include };
        const answer = await finalOf(await ask(input, { ...settings, stream }));
        assert.equal(reasoningText(answer.output[0]), THINKING_TEXT);
        if (upstream !== openaiUpstream) assert.ok(answer.output[0].encrypted_content);
        input.push(...answer.output, resultOf(callsIn(answer)[0], "21 degrees"));
        assert.match((await ask(input, settings)).output_text, /tool result: 21 degrees/);
      });

      test(`an upstream failure is typed, ${how}`, gatewayOnly, async () => {
        await assert.rejects(ask("@script{error:429}", { stream }), (error) => {
          assert.ok(error instanceof OpenAI.RateLimitError);
          assert.equal(error.error.origin, "provider");
          return true;
        });
      });
    }

    test("streamed tool arguments come in pieces and add up", async () => {
      const events = await collect(await ask("@script{parallel-tools}", { tools: [responsesTool()], stream: true }));
      const pieces = {};
      for (const { type, item_id, delta } of events) {
        if (type === "response.function_call_arguments.delta") pieces[item_id] = (pieces[item_id] ?? "") + delta;
      }
      assert.deepEqual(Object.values(pieces).map((piece) => JSON.parse(piece)), [PARIS, TOKYO]);
      assert.deepEqual(callsIn(events.at(-1).response).map((call) => call.id), Object.keys(pieces));
    });

    test("pictures and documents reach the model", async () => {
      const content = [
        { type: "input_text", text: "What?" },
        { type: "input_image", image_url: PNG_DATA_URL, detail: "auto" },
        { type: "input_image", image_url: PICTURE_URL, detail: "auto" },
        { type: "input_file", filename: "paper.pdf", file_data: PDF_DATA_URL },
      ];
      const { output_text } = await ask([{ role: "user", content }]);
      for (const seen of [PNG_SEEN, `url ${PICTURE_URL}`, PDF_SEEN]) assert.ok(output_text.includes(seen), seen);
    });

    test("parse returns the typed object", async () => {
      const text = { format: zodTextFormat(Person, "person") };
      const answer = await openai.responses.parse({ model: upstream.model, input: "Who?", text });
      assert.equal(answer.output_parsed.addresses[0].number, 7);
    });

    test("parse works while streaming", async () => {
      const text = { format: zodTextFormat(Person, "person") };
      const stream = openai.responses.stream({ model: upstream.model, input: "Who?", text });
      assert.equal((await stream.finalResponse()).output_parsed.age, 7);
    });

    for (const script of ["error-in-stream", "cut-stream", "short-stream"]) {
      test(`a stream that breaks does not look complete: ${script}`, gatewayOnly, async () => {
        const seen = [];
        try {
          for await (const event of await ask(`@script{${script}}`, { stream: true })) seen.push(event.type);
        } catch (error) {
          assert.ok(error instanceof OpenAI.APIError);
          seen.push("thrown");
        }
        assert.ok(!seen.includes("response.completed"), `${seen}`);
        assert.ok(["thrown", "error", "response.failed"].includes(seen.at(-1)), `${seen}`);
      });
    }

    test("an earlier answer is known to its own provider only", async () => {
      const asked = ask(marked("Hi"), { previous_response_id: KNOWN_RESPONSE });
      if (upstream === responsesUpstream) assert.ok((await asked).output_text);
      else await assert.rejects(asked, /previous_response_id/);
    });
  });
}

describe("other APIs, responses upstream", gatewayOnly, () => {
  test("Chat Completions with a tool make the round trip", async () => {
    const messages = [{ role: "user", content: marked("@script{thinking-tools}") }];
    const settings = { model: responsesUpstream.model, messages, tools: [openaiTool()], reasoning_effort: "low" };
    const { message } = (await openai.chat.completions.create(settings)).choices[0];
    assert.equal(message.reasoning_content, THINKING_TEXT);
    messages.push(message, { role: "tool", tool_call_id: message.tool_calls[0].id, content: "21 degrees" });
    const answer = await openai.chat.completions.create(settings);
    assert.match(answer.choices[0].message.content, /tool result: 21 degrees/);
  });

  test("Messages with a tool make the round trip", async () => {
    const messages = [{ role: "user", content: marked("@script{thinking-tools}") }];
    const thinking = { type: "enabled", budget_tokens: 1024 };
    const settings = { model: responsesUpstream.model, max_tokens: 4000, tools: [anthropicTool()], thinking, messages };
    const answer = await anthropic.messages.stream(settings).finalMessage();
    assert.deepEqual(answer.content.map((block) => block.type), ["thinking", "tool_use"]);
    const result = { type: "tool_result", tool_use_id: answer.content[1].id, content: "21 degrees" };
    messages.push({ role: "assistant", content: answer.content }, { role: "user", content: [result] });
    assert.match((await anthropic.messages.create(settings)).content[0].text, /tool result: 21 degrees/);
  });
});
