//! That events are read as they are documented, in one way only.

use super::*;

/// The first turn of <https://developers.openai.com/api/docs/guides/realtime-costs>, read 2026-11-26, with pictures.
const DONE: &str = r#"{"type":"response.done","event_id":"event_1","response":{"object":"realtime.response","id":"resp_1",
"status":"completed","usage":{"total_tokens":253,"input_tokens":132,"output_tokens":121,
"input_token_details":{"text_tokens":90,"audio_tokens":30,"image_tokens":12,"cached_tokens":64,
"cached_tokens_details":{"text_tokens":40,"audio_tokens":20,"image_tokens":4}},
"output_token_details":{"text_tokens":30,"audio_tokens":91}}}}"#;

#[test]
fn kinds_of_tokens_are_counted_once() {
    let usage = Usage {
        input: 50,
        cache_read: 40,
        audio_input: 10,
        audio_cache_read: 20,
        image_input: 8,
        image_cache_read: 4,
        output: 30,
        audio_output: 91,
        ..Usage::ZERO
    };
    assert_eq!((usage.total_input(), usage.total_output()), (132, 121));
    let done = ProviderEvent::Done { id: "resp_1".to_owned(), has_failed: false, usage: Some(usage) };
    assert_eq!(read_provider(DONE), done);
}

#[test]
fn an_answer_that_failed_may_tell_nothing() {
    let event = r#"{"type":"response.done","response":{"id":"r","status":"failed","usage":null}}"#;
    let done = ProviderEvent::Done { id: "r".to_owned(), has_failed: true, usage: None };
    assert_eq!(read_provider(event), done);
}

#[test]
fn speech_is_written_down_by_tokens_or_by_the_second() {
    let kind = "conversation.item.input_audio_transcription.completed";
    let of =
        |usage: &str| read_provider(&format!(r#"{{"type":"{kind}","transcript":"hi","usage":{usage}}}"#));
    let tokens = of(
        r#"{"type":"tokens","input_tokens":22,"output_tokens":5,"total_tokens":27,"input_token_details":{"audio_tokens":20,"text_tokens":2}}"#,
    );
    let expected = Usage { input: 2, audio_input: 20, output: 5, ..Usage::ZERO };
    assert_eq!(tokens, ProviderEvent::Transcribed(Some(expected)));
    let expected = Usage { audio_ms: 1_500, ..Usage::ZERO };
    assert_eq!(of(r#"{"type":"duration","seconds":1.5}"#), ProviderEvent::Transcribed(Some(expected)));
}

#[test]
fn a_session_is_read_as_it_is_now_and_as_it_was_in_the_beta() {
    let now = r#"{"type":"session.update","session":{"type":"realtime","max_output_tokens":200,
"audio":{"input":{"turn_detection":null,"format":{"type":"audio/pcm","rate":24000},"transcription":{"model":"whisper-1"}}}}}"#;
    let beta = r#"{"type":"session.update","session":{"max_response_output_tokens":200,"turn_detection":null,
"input_audio_format":"pcm16","input_audio_transcription":{"model":"whisper-1"}}}"#;
    for (event, kind) in [(now, Some("realtime".to_owned())), (beta, None)] {
        let change = SessionChange {
            kind,
            model: None,
            answer_limit: Some(AnswerLimit::Tokens(200)),
            answers_by_itself: Some(false),
            answers_silence: Some(false),
            silence_millis: None,
            transcription: Some(Some(Transcription { model: "whisper-1".to_owned(), prompt_bytes: 21 })),
            has_tools_of_provider: false,
            sound_bytes_per_second: Some(64_000),
        };
        assert_eq!(read_caller(event), Ok(CallerEvent::Update(change)));
    }
}

#[test]
fn tools_that_are_no_functions_are_run_by_the_provider() {
    let with = |tools: &str| {
        let create = format!(r#"{{"type":"response.create","response":{{"tools":{tools}}}}}"#);
        let update = format!(r#"{{"type":"session.update","session":{{"tools":{tools}}}}}"#);
        match (read_caller(&create), read_caller(&update)) {
            (Ok(CallerEvent::Create { has_tools_of_provider, .. }), Ok(CallerEvent::Update(change))) => {
                assert_eq!(has_tools_of_provider, change.has_tools_of_provider, "{tools}");
                has_tools_of_provider
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(!with("null") && !with("[]") && !with(r#"[{"type":"function","name":"mcp"}]"#));
    assert!(with(r#"[{"type":"function"},{"type":"mcp","server_label":"x"}]"#) && with("[{}]"));
}

#[test]
fn what_is_not_set_does_not_change() {
    let event = r#"{"type":"session.update","session":{"instructions":"Hi"}}"#;
    assert_eq!(read_caller(event), Ok(CallerEvent::Update(SessionChange::default())));
    let unlimited = r#"{"type":"session.update","session":{"max_output_tokens":"inf"}}"#;
    let change = SessionChange { answer_limit: Some(AnswerLimit::Unlimited), ..SessionChange::default() };
    assert_eq!(read_caller(unlimited), Ok(CallerEvent::Update(change)));
}

#[test]
fn sound_is_as_long_as_its_base64() {
    let sound = r#"{"event_id":"e","type":"input_audio_buffer.append","audio":"AAAAAAAA"}"#;
    assert_eq!(read_caller(sound), Ok(CallerEvent::Sound(8)));
    assert_eq!(read_caller(r#"{"type":"input_audio_buffer.append"}"#), Ok(CallerEvent::Sound(0)));
    let per_second = |format: &str| {
        let event = format!(
            r#"{{"type":"session.updated","session":{{"audio":{{"input":{{"format":{format}}}}}}}}}"#
        );
        let ProviderEvent::Session { now, .. } = read_provider(&event) else { panic!("{event}") };
        now.sound_bytes_per_second
    };
    assert_eq!(per_second(r#"{"type":"audio/pcm","rate":24000}"#), Some(64_000));
    assert_eq!(per_second(r#"{"type":"audio/pcmu"}"#), Some(10_666));
    assert_eq!(per_second("7"), Some(10_666));
}

#[test]
fn whoever_takes_turns_by_ear_answers_unless_told_not_to() {
    let turns = |raw: &str| {
        let event = format!(
            r#"{{"type":"session.updated","session":{{"audio":{{"input":{{"turn_detection":{raw}}}}}}}}}"#
        );
        let ProviderEvent::Session { now, .. } = read_provider(&event) else { panic!("{event}") };
        (now.answers_by_itself, now.answers_silence)
    };
    let said = |by_itself, silence| (Some(by_itself), Some(silence));
    assert_eq!(turns(r#"{"type":"server_vad"}"#), said(true, false));
    assert_eq!(turns(r#"{"type":"server_vad","create_response":true}"#), said(true, false));
    assert_eq!(turns(r#"{"type":"semantic_vad","create_response":false}"#), said(false, false));
    assert_eq!(turns(r#"{"type":"server_vad","idle_timeout_ms":null}"#), said(true, false));
    assert_eq!(
        turns(r#"{"type":"server_vad","create_response":false,"idle_timeout_ms":6000}"#),
        said(false, true)
    );
    assert_eq!(turns("null"), said(false, false));
    assert_eq!(turns("7"), said(true, true));
}

#[test]
fn the_longer_one_of_two_limits_counts_and_none_of_nothing() {
    let limit = |fields: &str| {
        let create = format!(r#"{{"type":"response.create","response":{{{fields}}}}}"#);
        let update = format!(r#"{{"type":"session.update","session":{{{fields}}}}}"#);
        match (read_caller(&create), read_caller(&update)) {
            (Ok(CallerEvent::Create { answer_limit, .. }), Ok(CallerEvent::Update(change))) => {
                assert_eq!(answer_limit, change.answer_limit, "{fields}");
                answer_limit
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(limit(""), None);
    assert_eq!(limit(r#""max_output_tokens":7"#), Some(AnswerLimit::Tokens(7)));
    assert_eq!(
        limit(r#""max_output_tokens":7,"max_response_output_tokens":900"#),
        Some(AnswerLimit::Tokens(900))
    );
    for unlimited in ["0", "null", "\"inf\""] {
        let fields = format!(r#""max_output_tokens":7,"max_response_output_tokens":{unlimited}"#);
        assert_eq!(limit(&fields), Some(AnswerLimit::Unlimited), "{fields}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_not_relayed() {
    for event in [
        "",
        "[]",
        r#"{"kind":"response.create"}"#,
        r#"{"type":"response.cancel","type":"response.create"}"#,
        r#"{"type":"session.update","session":{"max_output_tokens":1,"max_output_tokens":"inf"}}"#,
        r#"{"type":"response.create","response":"x"}"#,
    ] {
        assert_eq!(read_caller(event), Err(Unreadable::NotAnEvent), "{event}");
    }
    let unknown = Err(Unreadable::Unknown("response.make".to_owned()));
    assert_eq!(read_caller(r#"{"type":"response.make"}"#), unknown);
    let other = read_caller(r#"{"type":"transcription_session.update","session":{}}"#);
    assert!(matches!(other, Err(Unreadable::Unknown(_))));
    // A letter may be written in another way.
    let create = Ok(CallerEvent::Create { answer_limit: None, has_tools_of_provider: false });
    assert_eq!(read_caller(r#"{"type":"response\u002ecreate"}"#), create);
}

#[test]
fn the_cause_of_an_error_is_told_and_given_its_own_name_back() {
    let event = r#"{"type":"error","event_id":"event_9","error":{"type":"x","event_id":"ours"}}"#;
    let caused = ProviderEvent::Error { event_id: Some("ours".to_owned()), is_of_credential: false };
    assert_eq!(read_provider(event), caused);
    let mut raw = parse(Bytes::from_static(event.as_bytes())).unwrap();
    set_within(&mut raw, "error", "event_id", Some("theirs"));
    assert_eq!(raw.to_bytes(), event.replace("ours", "theirs").as_bytes());
    set_within(&mut raw, "error", "event_id", None);
    let unknown = ProviderEvent::Error { event_id: None, is_of_credential: false };
    assert_eq!(read_provider(std::str::from_utf8(&raw.to_bytes()).unwrap()), unknown);
    let key = r#"{"type":"error","error":{"code":"invalid_api_key","event_id":null}}"#;
    assert_eq!(read_provider(key), ProviderEvent::Error { event_id: None, is_of_credential: true });
}

#[test]
fn errors_and_cancellations_are_in_the_shape_of_the_api() {
    let event =
        ErrorEvent { id: "event_1", status: 412, code: "c", message: "m", param: None, event_id: Some("e") };
    assert_eq!(
        error(&event),
        r#"{"type":"error","event_id":"event_1","error":{"type":"invalid_request_error","code":"c","message":"m","param":null,"event_id":"e"}}"#
    );
    assert_eq!(cancel("resp_1"), r#"{"type":"response.cancel","response_id":"resp_1"}"#);
    assert_eq!(cancel(""), r#"{"type":"response.cancel"}"#);
}

#[test]
fn a_turn_ends_after_the_silence_that_is_told_or_the_shortest_there_may_be() {
    let silence = |raw: &str| {
        let event = format!(r#"{{"type":"session.update","session":{{"turn_detection":{raw}}}}}"#);
        let Ok(CallerEvent::Update(change)) = read_caller(&event) else { panic!("{event}") };
        change.silence_millis
    };
    assert_eq!(silence(r#"{"type":"server_vad"}"#), Some(500));
    assert_eq!(silence(r#"{"type":"server_vad","silence_duration_ms":50}"#), Some(50));
    assert_eq!(silence(r#"{"silence_duration_ms":900}"#), Some(900));
    assert_eq!(silence(r#"{"type":"semantic_vad","eagerness":"low"}"#), Some(200));
    assert_eq!(silence(r#"{"type":"azure_semantic_vad","silence_duration_ms":900}"#), Some(200));
    assert_eq!(silence(r#"{"type":"server_vad","silence_duration_ms":-1}"#), Some(0));
    assert_eq!(silence("null"), None);
}
