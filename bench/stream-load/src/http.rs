//! One keep-alive HTTP/1.1 connection: a request out, its whole answer in.

use crate::{clock::now_ns, events::EventLog, plan::Plan};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub enum Failure {
    Connect,
    Cut,
    Status(u16, String),
    BadBody(String),
}

/// When a request left, and when its answer was whole.
#[derive(Clone, Copy)]
pub struct Timing {
    pub sent_ns: u64,
    pub end_ns: u64,
}

#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

struct Head {
    status: u16,
    framing: Framing,
    keep_alive: bool,
    /// Where the body begins in the buffer.
    end: usize,
}

pub struct Connection {
    socket: Option<TcpStream>,
    buffer: Vec<u8>,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn new() -> Connection {
        Connection { socket: None, buffer: Vec::with_capacity(32 << 10), body: Vec::with_capacity(16 << 10) }
    }

    pub fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    pub fn close(&mut self) {
        self.socket = None;
    }

    /// The beginning of the body, for a message.
    pub fn excerpt(&self, bytes: usize) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(bytes)]).into_owned()
    }

    pub async fn connect(&mut self, plan: &Plan) -> Result<(), Failure> {
        if self.socket.is_none() {
            let socket = TcpStream::connect(plan.address).await.map_err(|_| Failure::Connect)?;
            let _ = socket.set_nodelay(true);
            self.socket = Some(socket);
        }
        Ok(())
    }

    /// Sends the request and reads the whole answer into `body`; with a log, its events are taken out as they
    /// arrive.
    pub async fn exchange(&mut self, plan: &Plan, mut log: Option<&mut EventLog>) -> Result<Timing, Failure> {
        let Some(socket) = self.socket.as_mut() else { return Err(Failure::Connect) };
        self.buffer.clear();
        self.body.clear();
        let sent_ns = now_ns();
        if let Some(log) = log.as_deref_mut() {
            log.begin(sent_ns);
        }
        socket.write_all(&plan.request).await.map_err(|_| Failure::Cut)?;
        let head = loop {
            receive(socket, &mut self.buffer).await?;
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
        };
        let mut received_ns = now_ns();
        let mut reader = BodyReader { framing: head.framing, at: head.end, chunked: Dechunker::default() };
        let mut events_at = 0;
        loop {
            let is_complete = reader.take(&mut self.buffer, &mut self.body)?;
            if let Some(log) = log.as_deref_mut() {
                events_at = log.read(&self.body, events_at, received_ns, plan.end_marker);
                if events_at == self.body.len() && !is_complete {
                    self.body.clear();
                    events_at = 0;
                }
            }
            if is_complete {
                break;
            }
            if receive(socket, &mut self.buffer).await.is_err() {
                if matches!(head.framing, Framing::UntilClose) {
                    break;
                }
                return Err(Failure::Cut);
            }
            received_ns = now_ns();
        }
        if !head.keep_alive || matches!(head.framing, Framing::UntilClose) {
            self.socket = None;
        }
        if !(200..300).contains(&head.status) && !plan.any_status {
            return Err(Failure::Status(head.status, self.excerpt(300)));
        }
        Ok(Timing { sent_ns, end_ns: now_ns() })
    }
}

async fn receive(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), Failure> {
    match socket.read_buf(buffer).await {
        Ok(0) | Err(_) => Err(Failure::Cut),
        Ok(_) => Ok(()),
    }
}

fn parse_head(buffer: &[u8]) -> Result<Option<Head>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let end = match response.parse(buffer) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Failure::Cut),
    };
    let mut head =
        Head { status: response.code.unwrap_or(0), framing: Framing::UntilClose, keep_alive: true, end };
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(header.value).ok().and_then(|text| text.trim().parse().ok());
            head.framing = Framing::Length(length.ok_or(Failure::Cut)?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            head.framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection")
            && header.value.eq_ignore_ascii_case(b"close")
        {
            head.keep_alive = false;
        }
    }
    Ok(Some(head))
}

struct BodyReader {
    framing: Framing,
    at: usize,
    chunked: Dechunker,
}

impl BodyReader {
    /// Moves what can be moved from the buffer to the body; tells whether the body is whole.
    fn take(&mut self, buffer: &mut Vec<u8>, body: &mut Vec<u8>) -> Result<bool, Failure> {
        let is_complete = match self.framing {
            Framing::Length(length) => {
                body.extend_from_slice(&buffer[self.at..]);
                self.at = buffer.len();
                body.len() >= length
            }
            Framing::Chunked => {
                self.at = self.chunked.feed(buffer, self.at, body)?;
                self.chunked.part == Part::Done
            }
            Framing::UntilClose => {
                body.extend_from_slice(&buffer[self.at..]);
                self.at = buffer.len();
                false
            }
        };
        if self.at == buffer.len() {
            buffer.clear();
            self.at = 0;
        }
        Ok(is_complete)
    }
}

#[derive(Clone, Copy, PartialEq, Default, Debug)]
enum Part {
    #[default]
    SizeLine,
    Data,
    DataEnd,
    Trailers,
    Done,
}

/// Incremental reader of `Transfer-Encoding: chunked`.
#[derive(Default)]
struct Dechunker {
    left: usize,
    part: Part,
}

impl Dechunker {
    /// Moves what it can from `source[at..]` to `out`; gives the new position.
    fn feed(&mut self, source: &[u8], mut at: usize, out: &mut Vec<u8>) -> Result<usize, Failure> {
        loop {
            match self.part {
                Part::SizeLine => {
                    let Some(end) = memchr::memchr(b'\n', &source[at..]) else { return Ok(at) };
                    self.left = chunk_size(&source[at..at + end])?;
                    self.part = if self.left == 0 { Part::Trailers } else { Part::Data };
                    at += end + 1;
                }
                Part::Data => {
                    let count = self.left.min(source.len() - at);
                    out.extend_from_slice(&source[at..at + count]);
                    at += count;
                    self.left -= count;
                    if self.left > 0 {
                        return Ok(at);
                    }
                    self.part = Part::DataEnd;
                }
                Part::DataEnd => {
                    if source.len() - at < 2 {
                        return Ok(at);
                    }
                    at += 2;
                    self.part = Part::SizeLine;
                }
                Part::Trailers => {
                    let Some(end) = memchr::memchr(b'\n', &source[at..]) else { return Ok(at) };
                    if end <= 1 {
                        self.part = Part::Done;
                    }
                    at += end + 1;
                }
                Part::Done => return Ok(at),
            }
        }
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, Failure> {
    let mut size = 0;
    for &byte in line {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b';' | b'\r' | b' ' => break,
            _ => return Err(Failure::Cut),
        };
        size = size << 4 | usize::from(digit);
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_of_a_chunked_body_gives_the_same_bytes() {
        let source = b"5\r\nhello\r\nB;x=1\r\n wide world\r\n0\r\nTrailer: a\r\n\r\n";
        for split in 0..=source.len() {
            let mut chunked = Dechunker::default();
            let mut out = Vec::new();
            let at = chunked.feed(&source[..split], 0, &mut out).ok().unwrap();
            let end = chunked.feed(source, at, &mut out).ok().unwrap();
            assert_eq!(
                (out.as_slice(), end, chunked.part),
                (&b"hello wide world"[..], source.len(), Part::Done)
            );
        }
    }

    #[test]
    fn a_head_tells_framing_and_whether_the_connection_stays() {
        let head =
            parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\n").ok().flatten();
        assert!(head.is_some_and(|head| matches!(head.framing, Framing::Length(7)) && !head.keep_alive));
        assert!(matches!(parse_head(b"HTTP/1.1 200 OK\r\nContent-"), Ok(None)));
    }
}
