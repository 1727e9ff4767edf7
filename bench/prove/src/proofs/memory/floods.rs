//! Callers who send much of what costs them little: headers, packed bodies, streams that they reset, frames with nothing
//! in them. All of it is bounded in count and time.

use super::bodies::is_refused;
use crate::{
    client,
    failure::{Context, Failure},
};
use std::{net::Ipv4Addr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub const CONNECTIONS: usize = 10;
/// On each connection.
const RESETS: u32 = 10_000;
const EMPTY_FRAMES: u32 = 100_000;
/// For one connection to send what it can.
const FLOOD_WAIT_MAX: Duration = Duration::from_secs(5);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Types of frames (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_HEADERS: u8 = 4;

/// Heads that are too long, in the middle of them or in all, and a body that would be long if somebody unpacked it.
pub async fn refuse_heads(port: u16, key: &str) -> Result<usize, Failure> {
    let mut refused = 0;
    for headers in [101, 100_000] {
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{}\r\n",
            "a: b\r\n".repeat(headers)
        );
        let caller = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("connecting")?;
        let (mut reader, mut writer) = caller.into_split();
        let sending = tokio::spawn(async move { writer.write_all(head.as_bytes()).await });
        refused += is_refused(&mut reader, b" 431", &format!("a head of {headers} headers")).await?;
        sending.abort();
    }
    // The beginning of what `gzip` makes of a gibibyte of zeros; nothing here unpacks a request.
    let packed = "\u{1f}".to_owned() + &"\0".repeat(1 << 20);
    let head = format!("authorization: Bearer {key}\r\ncontent-encoding: gzip\r\n");
    let mut caller = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("connecting")?;
    let request = client::request(port, "POST /v1/chat/completions", &head, &packed);
    caller.write_all(request.as_bytes()).await.context("sending")?;
    refused += is_refused(&mut caller, b" 400", "a packed body").await?;
    Ok(refused)
}

/// Calls that are reset as soon as they are made, over HTTP/2; gives how many frames could be sent.
pub async fn reset_streams(port: u16, key: &str) -> Result<u64, Failure> {
    let block = header_block(port, key);
    let streams = move |number: u32| {
        let stream = 2 * number + 1;
        let mut frames = frame(HEADERS, END_HEADERS, stream, &block);
        // CANCEL
        frames.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        frames
    };
    flood(port, RESETS, streams).await
}

/// A body of frames without a byte in them, over HTTP/2; gives how many could be sent.
pub async fn empty_frames(port: u16, key: &str) -> Result<u64, Failure> {
    let block = header_block(port, key);
    let frames = move |number: u32| match number {
        0 => frame(HEADERS, END_HEADERS, 1, &block),
        _ => frame(DATA, 0, 1, &[]),
    };
    flood(port, EMPTY_FRAMES, frames).await
}

/// Sends on several connections until the other side has had enough of each.
async fn flood(
    port: u16,
    count: u32,
    frames: impl Fn(u32) -> Vec<u8> + Clone + Send + Sync + 'static,
) -> Result<u64, Failure> {
    let mut floods = Vec::new();
    for _ in 0..CONNECTIONS {
        let caller = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("connecting")?;
        let frames = frames.clone();
        floods.push(tokio::spawn(async move {
            let (mut reader, mut writer) = caller.into_split();
            // What comes back is read, so that nobody waits for that.
            let reading = tokio::spawn(async move {
                while reader.read(&mut [0; 4_096]).await.is_ok_and(|read| read > 0) {}
            });
            let mut sent = 0;
            let sending = async {
                writer.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await?;
                while sent < count {
                    let next = (sent..count.min(sent + 100)).flat_map(&frames).collect::<Vec<u8>>();
                    writer.write_all(&next).await?;
                    sent = count.min(sent + 100);
                }
                std::io::Result::Ok(())
            };
            // An end by the other side is what is hoped for.
            let _ = timeout(FLOOD_WAIT_MAX, sending).await;
            reading.abort();
            u64::from(sent)
        }));
    }
    let mut sent = 0;
    for flood in floods {
        sent += flood.await.context("a flood")?;
    }
    Ok(sent)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The head of a call, without any compression (RFC 7541).
fn header_block(port: u16, key: &str) -> Vec<u8> {
    // `:method: POST` and `:scheme: http` of the static table.
    let mut block = vec![0x83, 0x86];
    for (name, value) in [
        (":path", "/v1/chat/completions".to_owned()),
        (":authority", format!("127.0.0.1:{port}")),
        ("authorization", format!("Bearer {key}")),
    ] {
        block.push(0);
        for text in [name, &value] {
            // Shorter than 127 bytes: the length is one byte.
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_its_length_and_its_stream() {
        assert_eq!(frame(RST_STREAM, 0, 3, &[0, 0, 0, 8]), [0, 0, 4, 3, 0, 0, 0, 0, 3, 0, 0, 0, 8]);
        assert_eq!(&header_block(1, "k")[..8], &[0x83, 0x86, 0, 5, b':', b'p', b'a', b't']);
    }
}
