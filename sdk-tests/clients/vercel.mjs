// The Vercel AI SDK: a round with a tool, then a stream. Says what came back as JSON.
//
// Called with the provider to use, the gateway's address, a model and two prompts.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { createRequesty } from "@requesty/ai-sdk";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const STEPS_MAX = 3;
const OUTPUT_TOKENS_MAX = 1000;
const [kind, address, name, toolPrompt, streamPrompt] = process.argv.slice(2);
const settings = { baseURL: `${address}/v1`, apiKey: process.env.SIGNALBOX_KEY };
const provider = {
  anthropic: () => createAnthropic(settings),
  compatible: () => createOpenAICompatible({ name: "signalbox", includeUsage: true, ...settings }),
  requesty: () => createRequesty(settings),
}[kind]();

const getWeather = tool({
  description: "Tells the weather of a city.",
  inputSchema: z.object({ city: z.string(), unit: z.string() }),
  execute: async ({ city, unit }) => `18 degrees and rain in ${city}, ${unit}`,
});
const { text } = await generateText({
  model: provider(name),
  tools: { get_weather: getWeather },
  stopWhen: stepCountIs(STEPS_MAX),
  prompt: toolPrompt,
  maxOutputTokens: OUTPUT_TOKENS_MAX,
  maxRetries: 0,
});

const pieces = [];
const stream = streamText({
  model: provider(name),
  prompt: streamPrompt,
  maxOutputTokens: OUTPUT_TOKENS_MAX,
  maxRetries: 0,
});
for await (const piece of stream.textStream) {
  pieces.push(piece);
}
console.log(JSON.stringify({ text, pieces }));
