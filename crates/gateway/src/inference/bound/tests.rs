//! That bounds bound, and that counting only ever makes them smaller.

use super::super::intake;
use super::*;
use crate::bodies::Held;
use crate::providers::{Ask, Provider, ProviderSettings, Providers};
use bytes::Bytes;
use domain::pricing::{ModelPrice, TokenPrices};
use domain::{Capabilities, Catalog, Mode, Model, Price, Usage};
use llm::provider::RouteKind;
use proptest::prelude::*;
use serde_json::{Value, json};

fn target(kind: &str, id: &str) -> Target {
    let dollars = |text: &str| Price::per_million(text.parse().unwrap());
    let base = TokenPrices { input: dollars("1.25"), output: dollars("10"), ..TokenPrices::default() };
    let model = Model {
        id: id.to_owned(),
        aliases: Vec::new(),
        weights: None,
        name: id.to_owned(),
        mode: Mode::Chat,
        context_window: 400_000,
        max_output_tokens: 128_000,
        capabilities: Capabilities::default(),
        released_at: 0,
        lifecycle: domain::catalog::Lifecycle::default(),
        price: Some(ModelPrice { base, ..ModelPrice::default() }),
    };
    let settings = ProviderSettings {
        base_url: Some("http://127.0.0.1:1".to_owned()),
        catalog: Catalog::new(vec![model]),
        ..ProviderSettings::of("p".parse().unwrap(), llm::provider::find(kind).unwrap())
    };
    let providers = Providers::new([Provider::new(settings).unwrap()]);
    providers
        .target(
            &format!("p/{id}"),
            Ask { kind: RouteKind::Chat, preferred: Protocol::OpenAiChat, shape: None, is_stream: false },
        )
        .unwrap()
}

fn chat(messages: &[Value]) -> Box<Intake> {
    let body = json!({"model": "p/gpt-5", "max_tokens": 100, "messages": messages});
    intake::read(Operation::ChatCompletions, Held::short(Bytes::from(body.to_string())), "").unwrap()
}

fn bounds(target: &Target, mut intake: Box<Intake>) -> (Bound, Bound) {
    let operation = Operation::ChatCompletions;
    let by_bytes = of(operation, &intake, target, true).unwrap();
    count(operation, &mut intake, target);
    (by_bytes, of(operation, &intake, target, true).unwrap())
}

#[test]
fn a_long_prompt_is_bounded_by_its_tokens_once_counted() {
    let text = "These are six plain words here. ".repeat(1_000);
    let message = json!({"role": "user", "content": text});
    let (by_bytes, by_tokens) = bounds(&target("openai", "gpt-5"), chat(std::slice::from_ref(&message)));
    assert!(by_bytes.input_tokens > 32_000, "{by_bytes:?}");
    assert!((7_000..9_000).contains(&by_tokens.input_tokens), "{by_tokens:?}");
    for unknown in [target("openai", "gpt-6-astra"), target("openai-compatible", "gpt-5")] {
        let (before, after) = bounds(&unknown, chat(std::slice::from_ref(&message)));
        assert_eq!(before, after);
    }
}

#[test]
fn counting_is_tried_only_where_it_can_help() {
    let (operation, target) = (Operation::ChatCompletions, target("openai", "gpt-5"));
    let mut intake = chat(&[json!({"role": "user", "content": "Hi"})]);
    let bound = of(operation, &intake, &target, true).unwrap();
    // A hundred tokens of an answer are a thousandth of a dollar.
    let (enough, little) = (Money::from_nano(1_000_000), Money::from_nano(999_999));
    assert!(may_count(&bound, operation, &intake, &target, enough));
    assert!(!may_count(&bound, operation, &intake, &target, little));
    assert!(!may_count(&bound, Operation::Embeddings, &intake, &target, enough));
    count(operation, &mut intake, &target);
    assert!(!may_count(&bound, operation, &intake, &target, enough));
}

#[test]
fn what_cannot_be_read_saves_nothing() {
    let (operation, target) = (Operation::ChatCompletions, target("openai", "gpt-5"));
    let body = Bytes::from_static(br#"{"model":"p/gpt-5","messages":"hello world, hello world"}"#);
    let mut intake = intake::read(operation, Held::short(body), "").unwrap();
    count(operation, &mut intake, &target);
    assert_eq!(intake.saved_bytes, Some(0));
}

#[test]
fn pictures_are_bounded_as_pictures_among_many_words_too() {
    let (words, pixels) = ("Words, \\u00fc\\n".repeat(20_000), "iVBORw0KGgo/".repeat(7_000));
    let url = format!("data:image/png;base64,{pixels}");
    let body = format!(
        r#"{{"model":"p/gpt-5","max_tokens":9,"messages":[{{"role":"user","content":[{{"type":"text","text":"{words}"}},{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}]}}"#
    );
    let operation = Operation::ChatCompletions;
    let intake = intake::read(operation, Held::short(Bytes::from(body.clone())), "").unwrap();
    assert!(intake.aside.is_none() && set_aside(&intake.body).is_some());
    let bound = of(operation, &intake, &target("openai", "gpt-5"), true).unwrap();
    assert_eq!(bound.input_tokens, (body.len() - pixels.len()) as u64 + OVERHEAD + IMAGE);
}

/// What a message is, and what the vendor counts of it: its texts, joined or apart, its role and frame, its name.
fn message() -> impl Strategy<Value = (Value, u64)> {
    let text = prop_oneof!["\\PC{0,80}", "[a-z ]{0,200}", "(<\\|endoftext\\|>|\\n|\u{200d}| ){0,40}"];
    let texts = prop::collection::vec(text, 1..4);
    let role = prop_oneof![Just("user"), Just("system"), Just("assistant")];
    (role, texts, prop::option::of("[a-z]{1,20}"), any::<bool>()).prop_map(
        |(role, texts, name, is_joined)| {
            let counted = |text: &str| Tokenizer::O200k.count(text);
            let whole = texts.concat();
            let tokens =
                if is_joined { counted(&whole) } else { texts.iter().map(|text| counted(text)).sum() };
            let parts: Vec<Value> = texts.iter().map(|text| json!({"type": "text", "text": text})).collect();
            let content = if texts.len() == 1 { json!(whole) } else { json!(parts) };
            let mut message = json!({"role": role, "content": content});
            let mut billed = tokens + counted(role) + 3;
            if let Some(name) = name {
                billed += counted(&name) + 1;
                message["name"] = json!(name);
            }
            (message, billed)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_held_is_never_less_than_what_the_vendor_counts(
        messages in prop::collection::vec(message(), 1..12),
        answered in 0..=100u64,
    ) {
        let target = target("openai", "gpt-5");
        let (messages, billed): (Vec<Value>, Vec<u64>) = messages.into_iter().unzip();
        // Every answer is primed with three tokens.
        let input = billed.iter().sum::<u64>() + 3;
        let (by_bytes, by_tokens) = bounds(&target, chat(&messages));
        prop_assert!(by_tokens.input_tokens <= by_bytes.input_tokens);
        // The room for what a provider adds of its own is not needed for any of this.
        prop_assert!(input + OVERHEAD <= by_tokens.input_tokens, "{input} of {by_tokens:?}");
        let usage = Usage { input, output: answered, ..Usage::ZERO };
        let price = target.model.as_ref().unwrap().price.as_ref().unwrap();
        prop_assert!(domain::cost(&usage, price) <= by_tokens.cost());
    }
}
