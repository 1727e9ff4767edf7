//! That what is held covers what may come, and that nothing is held for what cannot.

use super::*;
use crate::inference::ask;
use crate::providers::{Provider, ProviderSettings, Providers};
use domain::pricing::{ModelPrice, TokenPrices};
use domain::record::Operation;
use domain::{Capabilities, Catalog, Mode, Model, Price};
use llm::realtime::read_caller;

fn model(id: &str, mode: Mode, price: Option<ModelPrice>) -> Model {
    Model {
        id: id.to_owned(),
        aliases: Vec::new(),
        weights: None,
        name: id.to_owned(),
        mode,
        context_window: 32_000,
        max_output_tokens: 4_000,
        capabilities: Capabilities::default(),
        released_at: 0,
        lifecycle: domain::catalog::Lifecycle::default(),
        price,
    }
}

/// A millionth of a dollar for a token in, ten for one out: so many nano-dollars are so many thousandths of a token.
fn target() -> Target {
    let dollars = |text: &str| Price::per_million(text.parse().unwrap());
    let base = TokenPrices { input: dollars("1"), output: dollars("10"), ..TokenPrices::default() };
    let spoken =
        ModelPrice { per_audio_ms: Price::per_thousand("0.001".parse().unwrap()), ..Default::default() };
    let models = vec![
        model("live", Mode::Realtime, Some(ModelPrice { base, ..ModelPrice::default() })),
        model("ear", Mode::Transcription, Some(spoken)),
        model("free", Mode::Transcription, None),
    ];
    let settings = ProviderSettings {
        base_url: Some("http://127.0.0.1:1".to_owned()),
        catalog: Catalog::new(models),
        ..ProviderSettings::of("p".parse().unwrap(), llm::provider::find("openai").unwrap())
    };
    let providers = Providers::new([Provider::new(settings).unwrap()]);
    let ask = ask(Operation::Realtime, false);
    providers.target("p/live", ask).unwrap()
}

fn spending() -> Spending {
    Spending::new(&target(), "p/live", true).unwrap()
}

fn hear(spending: &mut Spending, text: &str) -> Result<Edit, Refusal> {
    spending.hear_caller(&read_caller(text).unwrap(), text, || "ours".to_owned(), Some("theirs".to_owned()))
}

/// What is needed, in tokens of input.
fn needed(spending: &Spending) -> i64 {
    spending.needed().nano() / 1_000
}

const CREATE: &str = r#"{"type":"response.create"}"#;
const SOUND: &str = r#"{"type":"input_audio_buffer.append","audio":"AAAA"}"#;
const LONGEST: i64 = 4_000 * 10;
const OVER: i64 = OVERHEAD as i64;

fn usage(input: u64, output: u64) -> Option<Usage> {
    Some(Usage { input, output, ..Usage::ZERO })
}

#[test]
fn each_answer_under_way_is_held_with_all_it_may_read() {
    let mut spending = spending();
    assert_eq!(needed(&spending), 0);
    hear(&mut spending, CREATE).unwrap();
    let said = CREATE.len() as i64;
    assert_eq!(needed(&spending), OVER + said + LONGEST);
    // The second may read the first.
    hear(&mut spending, CREATE).unwrap();
    assert_eq!(needed(&spending), 2 * (OVER + 2 * said + 4_000 + LONGEST));
    spending.started("a".to_owned()).unwrap();
    spending.started("b".to_owned()).unwrap();
    spending.done("a", usage(100, 20), false);
    spending.done("b", None, true);
    assert_eq!(needed(&spending), 300);
    assert!(spending.is_idle());
}

#[test]
fn once_it_has_heard_something_it_may_answer_by_itself() {
    let mut spending = spending();
    hear(&mut spending, SOUND).unwrap();
    assert_eq!(needed(&spending), OVER + LONGEST);
    let off = SessionChange { answers_by_itself: Some(false), ..SessionChange::default() };
    spending.configured(&off, false, 10);
    assert_eq!(needed(&spending), 0);
    // Asked to, it may again before the provider has said so; and then does not, when that was refused.
    let on = r#"{"type":"session.update","session":{"turn_detection":null}}"#;
    hear(&mut spending, on).unwrap();
    assert_eq!(needed(&spending), OVER + on.len() as i64 + LONGEST);
    spending.configured(&off, false, 10);
    assert_eq!(needed(&spending), 0);
}

#[test]
fn a_shorter_limit_counts_when_it_is_confirmed_and_a_longer_one_at_once() {
    let mut spending = spending();
    let update =
        |limit: &str| format!(r#"{{"type":"session.update","session":{{"max_output_tokens":{limit}}}}}"#);
    let confirmed = |limit| SessionChange { answer_limit: Some(limit), ..SessionChange::default() };
    hear(&mut spending, &update("100")).unwrap();
    assert_eq!(spending.limit, 4_000);
    spending.configured(&confirmed(AnswerLimit::Tokens(100)), false, 0);
    assert_eq!(spending.limit, 100);
    hear(&mut spending, &update("\"inf\"")).unwrap();
    assert_eq!(spending.limit, 4_000);
    // Two are on their way: the first confirmation says nothing of the second.
    hear(&mut spending, &update("200")).unwrap();
    spending.configured(&confirmed(AnswerLimit::Tokens(100)), false, 0);
    assert_eq!(spending.limit, 4_000);
    spending.configured(&confirmed(AnswerLimit::Tokens(200)), false, 0);
    assert_eq!(spending.limit, 200);
}

#[test]
fn what_nobody_can_measure_is_taken_for_the_window() {
    for text in [
        r#"{"type":"conversation.item.create","item":{"content":[{"type":"input_image","image_url":"x"}]}}"#,
        r#"{"type":"session.update","session":{"prompt":{"id":"p"}}}"#,
        r#"{"type":"conversation.item.create","item":{"content":[{"type":"input_im\u0061ge"}]}}"#,
    ] {
        let mut spending = spending();
        hear(&mut spending, text).unwrap();
        hear(&mut spending, CREATE).unwrap();
        assert_eq!(needed(&spending), 32_000 + LONGEST, "{text}");
    }
    let mut spending = spending();
    let long = CREATE.replace('}', &format!(r#","response":{{"instructions":"{}"}}}}"#, "x".repeat(50_000)));
    hear(&mut spending, &long).unwrap();
    assert_eq!(needed(&spending), 32_000 + LONGEST);
}

#[test]
fn tools_of_the_provider_are_refused_where_a_limit_applies() {
    let text =
        r#"{"type":"session.update","session":{"tools":[{"type":"mcp","server_url":"https://x.example"}]}}"#;
    assert!(matches!(hear(&mut spending(), text), Err(Refusal::Unbounded(_))));
    let mut unlimited = Spending::new(&target(), "p/live", false).unwrap();
    hear(&mut unlimited, text).unwrap();
    // It may go on by itself, with whatever it has found.
    assert_eq!(needed(&unlimited), 32_000 + LONGEST);
}

#[test]
fn an_answer_that_was_refused_is_given_up_by_its_own_name_only() {
    let mut spending = spending();
    assert_eq!(hear(&mut spending, CREATE), Ok(Edit::Id("ours".to_owned())));
    assert_eq!(spending.failed("theirs"), None);
    assert_eq!(spending.under_way(), 1);
    assert_eq!(spending.failed("ours"), Some(Some("theirs".to_owned())));
    assert_eq!(spending.under_way(), 0);
}

#[test]
fn neither_answers_nor_their_ids_pile_up() {
    let mut spending = spending();
    for _ in 0..ANSWERS_MAX {
        hear(&mut spending, CREATE).unwrap();
    }
    assert!(hear(&mut spending, CREATE).is_err());
    for number in 0..RUNNING_MAX {
        spending.started(number.to_string()).unwrap();
    }
    assert!(spending.started("more".to_owned()).is_err());
}

#[test]
fn speech_is_written_down_only_at_a_known_price_and_all_sound_is_held_for() {
    let mut spending = spending();
    let by = |model: &str| {
        format!(
            r#"{{"type":"session.update","session":{{"audio":{{"input":{{"transcription":{{"model":"{model}"}},"turn_detection":null}}}}}}}}"#
        )
    };
    assert!(matches!(hear(&mut spending, &by("free")), Err(Refusal::Unbounded(_))));
    assert!(matches!(hear(&mut spending, &by("nobody")), Err(Refusal::Unbounded(_))));
    hear(&mut spending, &by("ear")).unwrap();
    let quiet = SessionChange { answers_by_itself: Some(false), ..SessionChange::default() };
    spending.configured(&quiet, false, 0);
    let second = 8_000 * 4 / 3;
    let sound = SOUND.replace("AAAA", &"A".repeat(second - SOUND.len() + 4));
    for _ in 0..3 {
        hear(&mut spending, &sound).unwrap();
    }
    // A thousandth of a dollar a second; a begun one is a whole one.
    assert_eq!(spending.needed().nano(), 4_000_000);
    spending.committed();
    spending.transcribed(Some(Usage { audio_ms: 2_000, ..Usage::ZERO }), false);
    assert_eq!(spending.needed().nano(), 4_000_000);
    assert!(spending.is_idle());
}
