//! Tool calls in a stream: the arguments arrive in pieces, each of which is no JSON by itself.

use crate::wire::{CHUNK_HEAD, stamp};
use bytes::{Bytes, BytesMut};

/// Where a piece stands among the pieces of the arguments.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Position {
    Only,
    First,
    Middle,
    Last,
}

impl Position {
    /// Of the piece before which so many were sent, out of `all`.
    pub fn of(sent: u32, all: u32) -> Position {
        match (sent == 0, sent + 1 >= all) {
            (true, true) => Position::Only,
            (true, false) => Position::First,
            (false, false) => Position::Middle,
            (false, true) => Position::Last,
        }
    }
}

/// One piece, stamped `t=` with `sent_ns`. All of them together are the object `{"text":"…"}`.
pub fn chunk(model: &str, position: Position, text: &[u8], sent_ns: u64) -> Bytes {
    let mut frame = BytesMut::with_capacity(400 + model.len() + text.len());
    frame.extend_from_slice(CHUNK_HEAD.as_bytes());
    frame.extend_from_slice(model.as_bytes());
    frame.extend_from_slice(
        b"\",\"system_fingerprint\":null,\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,",
    );
    let opens = matches!(position, Position::Only | Position::First);
    frame.extend_from_slice(if opens {
        br#""id":"call_mock","type":"function","function":{"name":"look_up","arguments":"{\"text\":\""#
            .as_slice()
    } else {
        br#""function":{"arguments":""#
    });
    stamp(&mut frame, b"t=", sent_ns);
    frame.extend_from_slice(text);
    if matches!(position, Position::Only | Position::Last) {
        frame.extend_from_slice(br#"\"}"#);
    }
    frame.extend_from_slice(b"\"}}]},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(pieces: u32) -> String {
        let frames = (0..pieces).map(|sent| chunk("m", Position::of(sent, pieces), b"words ", 5));
        let arguments = frames.map(|frame| {
            let data = std::str::from_utf8(&frame).unwrap().strip_prefix("data: ").unwrap().to_owned();
            let value: serde_json::Value = serde_json::from_str(&data).unwrap();
            let call = &value["choices"][0]["delta"]["tool_calls"][0];
            call["function"]["arguments"].as_str().unwrap().to_owned()
        });
        arguments.collect()
    }

    #[test]
    fn the_pieces_of_the_arguments_are_one_object() {
        for pieces in 1..4 {
            let whole: serde_json::Value = serde_json::from_str(&arguments(pieces)).unwrap();
            assert_eq!(whole["text"].as_str().unwrap().matches("words").count(), pieces as usize);
        }
    }

    #[test]
    fn the_first_piece_names_the_tool() {
        let first = chunk("m", Position::of(0, 2), b"x", 5);
        assert!(std::str::from_utf8(&first).unwrap().contains("look_up"));
        let second = chunk("m", Position::of(1, 2), b"x", 5);
        assert!(!std::str::from_utf8(&second).unwrap().contains("look_up"));
    }
}
