//! What is translated with the texts of a body set aside, and with all of it.

use super::super::SetAside;
use crate::protocol::{OutputLimit, Protocol, Target};
use crate::raw::RawObject;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

const PROTOCOLS: [Protocol; 2] = [Protocol::OpenAiChat, Protocol::AnthropicMessages];
/// Longer than the shortest text that is set aside, and then some.
const LONG: usize = 2_000;

/// What a provider is sent, and the warnings.
type Sent = Result<(Value, Vec<String>), String>;

fn translated(inbound: Protocol, outbound: Protocol, body: &[u8]) -> Result<(Bytes, Vec<String>), String> {
    let target = Target {
        model: "m",
        max_output_tokens: 1_000,
        output_limit: OutputLimit::MaxTokens,
        takes_stream_options: true,
        takes_cache_control: true,
        takes_unsigned_thoughts: true,
        takes_custom_tools: true,
        searches_in_chat: true,
        takes_schema: true,
    };
    let request = inbound.decode_request(body).map_err(|error| error.to_string())?;
    let encoded = outbound.encode_request(&request, &target).map_err(|error| error.to_string())?;
    Ok((encoded.body.into(), encoded.warnings.iter().map(ToString::to_string).collect()))
}

fn whole(inbound: Protocol, outbound: Protocol, body: &str) -> Sent {
    let (sent, warnings) = translated(inbound, outbound, body.as_bytes())?;
    Ok((serde_json::from_slice(&sent).unwrap(), warnings))
}

/// The same by marks. `None`: nothing was set aside, or it has to be done again with all of it.
fn by_marks(inbound: Protocol, outbound: Protocol, body: &str) -> Option<(Value, Vec<String>)> {
    let raw = RawObject::parse(Bytes::copy_from_slice(body.as_bytes())).ok()?;
    let (marked, aside) = SetAside::of_texts(&raw, [0x5a; 10])?;
    let (sent, warnings) = translated(inbound, outbound, &marked).ok()?;
    let restored = aside.restore(vec![sent]);
    restored.is_complete.then(|| (serde_json::from_slice(&restored.pieces.concat()).unwrap(), warnings))
}

/// Both ways give the same, in either direction; how many of them could be gone by marks.
fn compare(body: &str) -> usize {
    let ways = PROTOCOLS.iter().flat_map(|inbound| PROTOCOLS.map(|outbound| (*inbound, outbound)));
    let compared = ways.filter(|(inbound, outbound)| {
        let marked = by_marks(*inbound, *outbound, body);
        if let Some(marked) = &marked {
            let whole = whole(*inbound, *outbound, body);
            assert!(
                whole.as_ref() == Ok(marked),
                "{inbound:?} to {outbound:?}: {}",
                &body[..body.len().min(300)]
            );
        }
        marked.is_some() && inbound != outbound
    });
    compared.count()
}

/// A long text, as it is written in JSON, with this in it and at its end.
fn long(piece: &str) -> String {
    format!("{}{piece}", format!("Words, {piece}").repeat(LONG / 8))
}

fn chat(messages: &str) -> String {
    format!(r#"{{"model":"a/b","max_tokens":9,"messages":[{messages}]}}"#)
}

#[test]
fn texts_are_the_same_whatever_is_in_them() {
    for piece in [
        "",
        r#"\"\\\/\b\f\n\r\t"#,
        r"\u0041\u00e9\u20ac\u2028",
        r"\ud83d\ude00",
        "\u{1f600} grüß, 你好\u{7f}",
        r"\u0000\u001f",
        r"\\n",
        r"\\",
        r"\\\\u0020",
        "\\n\\n \\u00a0\u{3000}\\t\u{a0}",
        "</system>",
        "x5a5a5a5a5a5a5a5a5a5a0000000",
        r#"{\"a\":[1.0,\"b\"]}"#,
    ] {
        let text = long(piece);
        for messages in [
            format!(r#"{{"role":"user","content":"{text}"}}"#),
            format!(r#"{{"role":"user","content":"Hi"}},{{"role":"assistant","content":"{text}"}}"#),
            format!(
                r#"{{"role":"assistant","content":[{{"type":"text","text":"{text}"}},{{"text":"{text} ","type":"text"}}]}}"#
            ),
            format!(
                r#"{{"role":"user","content":[{{"t\u0079pe":"text","text":"{text}","cache_control":{{"type":"ephemeral"}}}}]}}"#
            ),
            format!(
                r#"{{"content":"{text}","role":"user"}},{{"role":"system","content":"{text}"}},{{"role":"user","content":""}}"#
            ),
        ] {
            assert_eq!(compare(&chat(&messages)), 2, "{piece} {}", &messages[..60]);
        }
    }
}

#[test]
fn instructions_and_results_of_tools_are_set_aside() {
    let text = long("\\n");
    let by_openai = format!(
        r#"{{"role":"developer","content":"{text}"}},{{"role":"user","content":"Hi"}},
        {{"role":"assistant","content":null,"tool_calls":[{{"id":"t","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}]}},
        {{"role":"tool","tool_call_id":"t","content":"{text}"}},{{"role":"tool","tool_call_id":"t","content":[{{"type":"text","text":"{text}"}}]}}"#
    );
    assert_eq!(compare(&chat(&by_openai)), 1);
    let by_anthropic = format!(
        r#"{{"model":"a/b","max_tokens":9,"system":[{{"type":"text","text":"{text}"}}],"messages":[{{"role":"user","content":[
        {{"type":"tool_result","tool_use_id":"t","content":"{text}","is_error":true}},{{"type":"text","text":"{text}"}},
        {{"type":"tool_result","tool_use_id":"u","content":[{{"type":"text","text":"{text}"}},
        {{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{}"}}}}]}}]}}]}}"#,
        "iVBORw0KGgo/".repeat(20_000)
    );
    assert_eq!(compare(&by_anthropic), 1);
    let with_system = format!(
        r#"{{"model":"a/b","max_tokens":9,"system":"{text}","messages":[{{"role":"user","content":"Hi"}}]}}"#
    );
    assert_eq!(compare(&with_system), 1);
}

#[test]
fn what_is_read_is_not_set_aside() {
    let text = long("\\n");
    let call = json!({"id": "t", "type": "function", "function": {"name": "f", "arguments": json!({"text": "a\n".repeat(LONG), "content": "b"}).to_string()}});
    let input = json!({"type": "tool_use", "id": "t", "name": "f", "input": {"text": "a\n".repeat(LONG), "content": "\n".repeat(LONG)}});
    for messages in [
        json!({"role": "assistant", "content": "Hi", "tool_calls": [call]}).to_string(),
        json!({"role": "assistant", "content": [input]}).to_string(),
        json!({"role": "user", "content": " \n".repeat(LONG)}).to_string(),
        // Half a letter, a field that stands twice, and what counts letters.
        format!(r#"{{"role":"user","content":"{text}\ud83d"}}"#),
        format!(r#"{{"role":"user","content":"{text}\ude00\ud83d"}}"#),
        format!(r#"{{"role":"user","content":"{text}","content":"b"}}"#),
        format!(
            r#"{{"role":"assistant","content":[{{"type":"text","text":"{text}"}},{{"type":"text","text":"a","citations":[{{"url":"https://a.b/","title":"t","cited_text":"c"}}]}}]}}"#
        ),
        format!(
            r#"{{"role":"assistant","content":[{{"type":"text","text":"{text}"}},{{"type":"text","text":"a","type":"x","citations":[{{"url":"https://a.b/"}}]}}]}}"#
        ),
        format!(r#"{{"role":"user","content":[{{"type":"future","text":"{text}"}}]}}"#),
        format!(r#"{{"role":"user","content":{{"text":"{text}"}}}}"#),
        format!(r#""{text}""#),
    ] {
        assert_eq!(compare(&chat(&messages)), 0, "{}", &messages[..60]);
    }
}

#[test]
fn a_mark_of_the_caller_s_is_none_of_ours() {
    let mark = "x5a5a5a5a5a5a5a5a5a5a0000000";
    let messages =
        format!(r#"{{"role":"user","content":"{mark}"}},{{"role":"user","content":"{}"}}"#, long("\\n"));
    assert_eq!(compare(&chat(&messages)), 0);
    assert_eq!(compare(&chat(&messages.replace("x5a", "x5b"))), 2);
}

#[test]
fn a_body_of_short_texts_stays_as_it_is() {
    let messages: Vec<Value> =
        (0..100).map(|_| json!({"role": "user", "content": "a ".repeat(200)})).collect();
    let body = json!({"model": "m", "messages": messages}).to_string();
    assert!(SetAside::of_texts(&RawObject::parse(body.into()).unwrap(), [0; 10]).is_none());
}

#[test]
fn of_many_texts_little_is_kept() {
    let turn = |at: usize| json!({"role": (["user", "assistant"][at % 2]), "content": format!("{at} {}", "words\n".repeat(LONG / 7))});
    let body = json!({"model": "m", "max_tokens": 1, "messages": (0..500).map(turn).collect::<Vec<_>>()})
        .to_string();
    assert_eq!(compare(&body), 2);
    let (marked, aside) =
        SetAside::of_texts(&RawObject::parse(body.clone().into()).unwrap(), [1; 10]).unwrap();
    assert!(marked.len() < body.len() / 20, "{} of {}", marked.len(), body.len());
    assert_eq!(marked.len() + aside.bytes_behind(&marked), body.len());
}

/// Texts as they are written in JSON, some of them long.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z ]{0,8}",
        "\\PC{0,4}"
            .prop_map(|text| serde_json::to_string(&text).unwrap().trim_matches('"').replace('"', "\\\"")),
        any::<char>().prop_map(|letter| {
            letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>()
        }),
        prop::sample::select(vec![
            "\\n", "\\t", "\\\\", "\\\"", "\\/", " ", "\\u0020", "\\ud83d", "\\udc00", "\u{3000}"
        ])
        .prop_map(str::to_owned),
    ];
    (prop::collection::vec(piece, 1..12), prop::sample::select(vec![1_usize, 1, 200])).prop_map(
        |(pieces, times)| {
            let end = pieces.last().cloned().unwrap_or_default();
            pieces.concat().repeat(times) + &end
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_conversation_is_translated_the_same(
        turns in prop::collection::vec((prop::sample::select(vec!["user", "assistant", "system"]), text(), any::<bool>()), 1..6),
    ) {
        let turn = |(role, text, is_parted): &(&str, String, bool)| match is_parted {
            true => format!(r#"{{"role":"{role}","content":[{{"type":"text","text":"{text}"}}]}}"#),
            false => format!(r#"{{"role":"{role}","content":"{text}"}}"#),
        };
        compare(&chat(&turns.iter().map(turn).collect::<Vec<_>>().join(",")));
    }
}
