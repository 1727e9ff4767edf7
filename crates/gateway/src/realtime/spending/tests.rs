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
    spending.configured(&off, false, 10).unwrap();
    assert_eq!(needed(&spending), 0);
    // Asked to, it may again before the provider has said so; and then does not, when that was refused.
    let on = r#"{"type":"session.update","session":{"turn_detection":null}}"#;
    hear(&mut spending, on).unwrap();
    assert_eq!(needed(&spending), OVER + on.len() as i64 + LONGEST);
    spending.configured(&off, false, 10).unwrap();
    assert_eq!(needed(&spending), 0);
}

#[test]
fn who_breaks_a_silence_begins_by_itself_and_unheard() {
    let mut spending = spending();
    let turns = r#"{"type":"server_vad","create_response":false,"idle_timeout_ms":6000}"#;
    let on = format!(r#"{{"type":"session.update","session":{{"turn_detection":{turns}}}}}"#);
    hear(&mut spending, &on).unwrap();
    assert_eq!(needed(&spending), OVER + on.len() as i64 + LONGEST);
    let off = SessionChange { answers_silence: Some(false), ..SessionChange::default() };
    spending.configured(&off, false, 0).unwrap();
    assert_eq!(needed(&spending), 0);
}

#[test]
fn a_change_that_is_refused_is_one_no_more() {
    let mut spending = spending();
    let limit = |limit| SessionChange { answer_limit: Some(limit), ..SessionChange::default() };
    spending.configured(&limit(AnswerLimit::Tokens(100)), true, 0).unwrap();
    assert_eq!(spending.limit, 100);
    let update = r#"{"type":"session.update","session":{"max_output_tokens":900}}"#;
    assert_eq!(hear(&mut spending, update), Ok(Edit::Id("ours".to_owned())));
    assert_eq!(spending.limit, 900);
    assert_eq!(spending.failed("ours"), Some(Some("theirs".to_owned())));
    assert_eq!((spending.limit, spending.failed("ours")), (100, None));
    // None is counted for another.
    hear(&mut spending, &update.replace("900", "200")).unwrap();
    spending.configured(&limit(AnswerLimit::Tokens(200)), false, 0).unwrap();
    assert_eq!(spending.limit, 200);
}

#[test]
fn for_as_many_turns_is_held_as_may_end_at_once() {
    let mut spending = spending();
    let held = |spending: &Spending| {
        (1..=16).find(|count| {
            // Each may read the answers before it.
            let sound = i64::try_from(spending.sound_bytes / SOUND_BYTES_PER_TOKEN).unwrap();
            let prompts: i64 =
                (0..*count).map(|earlier| (spending.text as i64 + sound + earlier * 4_000).min(32_000)).sum();
            needed(spending) == prompts + count * LONGEST
        })
    };
    let piece = |millis: usize| SOUND.replace("AAAA", &"A".repeat(64 * millis));
    hear(&mut spending, &piece(250)).unwrap();
    assert_eq!(held(&spending), Some(1));
    // In a piece of a second, and a fifth before it, three may end after half a second of silence each.
    hear(&mut spending, &piece(1_000)).unwrap();
    assert_eq!(held(&spending), Some(3));
    let short = r#"{"type":"session.update","session":{"turn_detection":{"type":"server_vad","silence_duration_ms":100}}}"#;
    hear(&mut spending, short).unwrap();
    assert_eq!(held(&spending), Some(13));
    // What is refused counts no more, and what is longer only when it is confirmed.
    spending.failed("ours");
    assert_eq!(held(&spending), Some(3));
    let told = |silence| SessionChange { silence_millis: Some(silence), ..SessionChange::default() };
    hear(&mut spending, &short.replace("100", "2000")).unwrap();
    assert_eq!(held(&spending), Some(3));
    spending.configured(&told(2_000), false, 0).unwrap();
    assert_eq!(held(&spending), Some(1));
    hear(&mut spending, &short.replace("100", "0")).unwrap();
    assert_eq!(held(&spending), Some(16), "more cannot be under way");
}

#[test]
fn sound_is_measured_by_the_slowest_format_that_may_count() {
    let mut spending = spending();
    let pcmu = r#"{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcmu"}}}}}"#;
    let pcm = pcmu.replace("pcmu", "pcm");
    let slow = Some(8_000 * 4 / 3);
    assert_eq!(spending.sound_bytes_per_second(), Some(64_000));
    hear(&mut spending, pcmu).unwrap();
    assert_eq!(spending.sound_bytes_per_second(), slow);
    let long = SOUND.replace("AAAA", &"A".repeat(64_000));
    assert!(matches!(hear(&mut spending, &long), Err(Refusal::Unbounded(_))), "it is six seconds");
    // One that is refused counts no more.
    spending.failed("ours");
    assert_eq!(spending.sound_bytes_per_second(), Some(64_000));
    hear(&mut spending, pcmu).unwrap();
    let told = SessionChange { sound_bytes_per_second: slow, ..SessionChange::default() };
    spending.configured(&told, false, 0).unwrap();
    hear(&mut spending, &pcm).unwrap();
    assert_eq!(spending.sound_bytes_per_second(), slow, "the faster one is not confirmed");
    let told = SessionChange { sound_bytes_per_second: Some(64_000), ..SessionChange::default() };
    spending.configured(&told, false, 0).unwrap();
    assert_eq!(spending.sound_bytes_per_second(), Some(64_000));
}

#[test]
fn neither_changes_nor_their_names_pile_up() {
    let mut spending = spending();
    let update = r#"{"type":"session.update","session":{}}"#;
    for _ in 0..CHANGES_MAX {
        hear(&mut spending, update).unwrap();
    }
    assert!(hear(&mut spending, update).is_err());
    let named = |bytes: usize, spending: &mut Spending| {
        let (event, theirs) = (read_caller(CREATE).unwrap(), Some("x".repeat(bytes)));
        spending.hear_caller(&event, CREATE, || "ours".to_owned(), theirs)
    };
    assert!(named(EVENT_ID_BYTES_MAX, &mut spending).is_ok());
    assert_eq!(named(EVENT_ID_BYTES_MAX + 1, &mut spending).unwrap_err().param(), Some("event_id"));
}

#[test]
fn what_is_not_relayed_is_taken_back() {
    let mut spending = spending();
    let before = spending.conversation();
    let picture = r#"{"type":"conversation.item.create","item":{"content":[{"type":"input_image"}]}}"#;
    for text in [picture, SOUND] {
        hear(&mut spending, text).unwrap();
        spending.take_back(before);
    }
    assert_eq!(needed(&spending), 0);
    hear(&mut spending, CREATE).unwrap();
    assert_eq!(needed(&spending), OVER + CREATE.len() as i64 + LONGEST);
}

#[test]
fn an_end_under_another_name_is_the_oldest_answers() {
    let mut spending = spending();
    hear(&mut spending, CREATE).unwrap();
    spending.started("a".to_owned()).unwrap();
    hear(&mut spending, CREATE).unwrap();
    spending.done("b", None, true);
    assert_eq!((spending.running().count(), spending.under_way()), (0, 1));
}

#[test]
fn a_hard_limit_that_comes_later_ends_what_it_would_not_have_let_begin() {
    let tools = SessionChange { has_tools_of_provider: true, ..SessionChange::default() };
    // A stored prompt brought them.
    assert!(matches!(spending().configured(&tools, false, 0), Err(Refusal::Unbounded(_))));
    let unlimited = || Spending::new(&target(), "p/live", false).unwrap();
    let mut plain = unlimited();
    plain.set_limited(true).unwrap();
    let mut with_tools = unlimited();
    with_tools.configured(&tools, false, 0).unwrap();
    assert!(with_tools.set_limited(true).is_err());
    let mut heard = unlimited();
    let free = r#"{"type":"session.update","session":{"input_audio_transcription":{"model":"free"}}}"#;
    hear(&mut heard, free).unwrap();
    assert!(heard.set_limited(true).is_err());
    heard.set_limited(false).unwrap();
}

#[test]
fn a_piece_costs_what_its_own_model_does() {
    let mut spending = Spending::new(&target(), "p/live", false).unwrap();
    let by = |model: &str| {
        format!(
            r#"{{"type":"session.update","session":{{"input_audio_transcription":{{"model":"{model}"}}}}}}"#
        )
    };
    let quiet = SessionChange { answers_by_itself: Some(false), ..SessionChange::default() };
    hear(&mut spending, &by("ear")).unwrap();
    spending.committed();
    hear(&mut spending, &by("free")).unwrap();
    spending.configured(&quiet, false, 0).unwrap();
    spending.configured(&quiet, false, 0).unwrap();
    // A thousandth of a dollar for a second: the one that was begun, and what may come of it.
    assert_eq!(spending.needed().nano(), 1_000_000);
    assert!(spending.set_limited(true).is_err());
    spending.transcribed(Some(Usage { audio_ms: 3_000, ..Usage::ZERO }), false);
    assert_eq!(spending.needed().nano(), 3_000_000);
}

#[test]
fn what_is_written_down_costs_what_the_account_pays_for_it() {
    let dollars = |text: &str| Price::per_million(text.parse().unwrap());
    let listed = TokenPrices { output: dollars("3"), ..TokenPrices::default() };
    let at = domain::Timestamp::from_unix_ms(0);
    let (org, key) = (domain::OrgId::from_parts(at, [1; 10]), domain::KeyId::from_parts(at, [2; 10]));
    let prices = [("p/free".to_owned(), listed)].into_iter().collect();
    let account = Account { prices: Some(Arc::new(prices)), ..Account::new(org, key, &[]) };
    let mut spending = spending().for_account(Arc::new(account));
    let by = Some(Some(llm::realtime::Transcription { model: "free".to_owned(), prompt_bytes: 0 }));
    // The provider does so by itself.
    let now = SessionChange { transcription: by, answers_by_itself: Some(false), ..SessionChange::default() };
    spending.configured(&now, false, 0).unwrap();
    spending.committed();
    spending.transcribed(usage(0, 1_000_000), false);
    assert_eq!(spending.needed().nano(), 3_000_000_000);
}

#[test]
fn a_shorter_limit_counts_when_it_is_confirmed_and_a_longer_one_at_once() {
    let mut spending = spending();
    let update =
        |limit: &str| format!(r#"{{"type":"session.update","session":{{"max_output_tokens":{limit}}}}}"#);
    let confirmed = |limit| SessionChange { answer_limit: Some(limit), ..SessionChange::default() };
    hear(&mut spending, &update("100")).unwrap();
    assert_eq!(spending.limit, 4_000);
    spending.configured(&confirmed(AnswerLimit::Tokens(100)), false, 0).unwrap();
    assert_eq!(spending.limit, 100);
    hear(&mut spending, &update("\"inf\"")).unwrap();
    assert_eq!(spending.limit, 4_000);
    // Two are on their way: the first confirmation says nothing of the second.
    hear(&mut spending, &update("200")).unwrap();
    spending.configured(&confirmed(AnswerLimit::Tokens(100)), false, 0).unwrap();
    assert_eq!(spending.limit, 4_000);
    spending.configured(&confirmed(AnswerLimit::Tokens(200)), false, 0).unwrap();
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
fn an_answer_that_an_error_may_have_refused_is_held_until_another_begins() {
    let mut spending = spending();
    hear(&mut spending, CREATE).unwrap();
    let held = needed(&spending);
    spending.doubt();
    assert_eq!(needed(&spending), held);
    hear(&mut spending, CREATE).unwrap();
    spending.started("a".to_owned()).unwrap();
    assert_eq!(spending.under_way(), 1);
    spending.done("a", None, true);
    // It may begin all the same.
    hear(&mut spending, CREATE).unwrap();
    spending.doubt();
    spending.started("b".to_owned()).unwrap();
    spending.done("b", None, true);
    assert_eq!((needed(&spending), spending.is_idle()), (0, true));
    for _ in 0..2 * ANSWERS_MAX {
        hear(&mut spending, CREATE).unwrap();
        spending.doubt();
    }
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
    spending.configured(&quiet, false, 0).unwrap();
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
