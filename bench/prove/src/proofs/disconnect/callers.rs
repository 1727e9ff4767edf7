//! Callers who leave: where in the answer, and how.

use super::site::Site;
use crate::{
    client::{self, Ask},
    clock::monotonic_ns,
    failure::{Context, Failure},
    http2::{Connection, Stream},
};
use socket2::Socket;
use std::{net::Ipv4Addr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

pub const WAIT_MAX: Duration = Duration::from_secs(20);
/// For what the provider has sent to be with the gateway, and the silence of a gap to have begun.
const PAUSE: Duration = Duration::from_millis(20);
const TOOLS: &str = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"look_up\",\
                     \"parameters\":{\"type\":\"object\"}}}],";

/// Where in its answer a caller leaves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    BeforeHead,
    BeforePlainAnswer,
    /// The provider's head is there, and no event yet.
    AfterHead,
    MidStream,
    SilentGap,
    /// Within the arguments of a tool call: what came is no JSON yet.
    ToolCall,
    /// The last token is there, the stream's end is not.
    AfterLastToken,
}

/// How.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    Close,
    Reset,
    /// The caller closes its side and still reads.
    HalfClose,
    /// A byte of a next request came in one piece with this one.
    ByteThenClose,
    /// Two pieces of a next request came later, then the caller left.
    BytesThenClose,
    /// `RST_STREAM` of HTTP/2.
    StreamReset,
    /// The connection of HTTP/2 ends under a running stream.
    LossByClose,
    LossByReset,
    LossByHalfClose,
}

impl Way {
    pub fn is_http2(self) -> bool {
        matches!(self, Way::StreamReset | Way::LossByClose | Way::LossByReset | Way::LossByHalfClose)
    }
}

/// One caller.
#[derive(Clone, Copy, Debug)]
pub struct Leaver {
    pub tag: u64,
    pub place: Place,
    pub way: Way,
    /// The simulator's knobs, and how many events to read before leaving.
    pub answer: (&'static str, usize),
    /// The provider's name in the settings.
    pub provider: &'static str,
    pub pause: Duration,
}

impl Leaver {
    /// A failure of this caller's.
    pub fn said(&self, what: &str) -> Failure {
        Failure::new(format!("{:?} by {:?}: {what}", self.place, self.way))
    }

    fn body(&self) -> String {
        let (knobs, _) = self.answer;
        let ask = Ask {
            knobs: format!("{knobs},tag={}", self.tag),
            is_stream: self.place != Place::BeforePlainAnswer,
            tokens_max: Some(900),
            leave_after: None,
        };
        let fields = if self.place == Place::ToolCall { TOOLS } else { "" };
        ask.body(fields).replacen("prove/", &format!("{}/", self.provider), 1)
    }

    /// Calls, and reads as far as the place where it leaves.
    pub async fn arrive(&self, site: &Site) -> Result<Standing, Failure> {
        if self.way.is_http2() {
            let connection = Connection::open(site.port).await?;
            let stream = self.arrive_on(&connection, site).await?;
            return Ok(Standing::Http2(connection, stream));
        }
        let mut request = client::chat(site.port, &site.key, &self.body());
        if self.way == Way::ByteThenClose {
            request.push('P');
        }
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, site.port)).await.context("connecting")?;
        socket.set_nodelay(true).context("a socket option")?;
        socket.write_all(request.as_bytes()).await.context("sending")?;
        read_events(&mut socket, self.answer.1).await?;
        if self.way == Way::BytesThenClose {
            for piece in [b"PO", b"ST"] {
                sleep(Duration::from_millis(10)).await;
                socket.write_all(piece).await.context("sending more")?;
            }
        }
        self.wait(site).await?;
        Ok(Standing::Http1(socket))
    }

    /// The same, on a connection that it shares with others.
    pub async fn arrive_on(&self, connection: &Connection, site: &Site) -> Result<Stream, Failure> {
        let mut stream = connection.send(&site.key, self.body()).await?;
        stream.read_events(self.answer.1).await?;
        self.wait(site).await?;
        Ok(stream)
    }

    async fn wait(&self, site: &Site) -> Result<(), Failure> {
        site.called(self.tag).await?;
        if self.answer.1 == 0 || self.place == Place::SilentGap {
            sleep(PAUSE + self.pause).await;
        }
        Ok(())
    }
}

/// A caller at the place where it leaves.
pub enum Standing {
    Http1(TcpStream),
    Http2(Connection, Stream),
}

impl Standing {
    /// Leaves, and gives the instant, and the connection where that stays.
    pub async fn leave(self, way: Way) -> Result<(u64, Option<Connection>), Failure> {
        let now = monotonic_ns();
        match self {
            Standing::Http1(socket) => leave_http1(socket, way).await?,
            Standing::Http2(connection, stream) => match way {
                Way::StreamReset => {
                    stream.reset();
                    return Ok((now, Some(connection)));
                }
                Way::LossByReset => {
                    connection.socket().set_linger(Some(Duration::ZERO)).context("a socket option")?;
                    connection.lose().await;
                }
                Way::LossByHalfClose => {
                    connection.socket().shutdown(std::net::Shutdown::Write).context("closing one side")?;
                    connection.closed().await;
                }
                _ => connection.lose().await,
            },
        }
        Ok((now, None))
    }

    /// The bare socket: from now on nothing is said.
    pub async fn freeze(self) -> Result<Socket, Failure> {
        match self {
            Standing::Http1(socket) => Ok(socket.into_std().context("a socket")?.into()),
            Standing::Http2(connection, _stream) => Ok(connection.freeze().await),
        }
    }
}

async fn leave_http1(mut socket: TcpStream, way: Way) -> Result<(), Failure> {
    match way {
        Way::Reset => socket.set_zero_linger().context("a socket option")?,
        Way::HalfClose => {
            socket.shutdown().await.context("closing one side")?;
            // The gateway closes the other side, or the time limit does.
            let _ = timeout(WAIT_MAX, socket.read_to_end(&mut Vec::new())).await;
        }
        _ => {}
    }
    Ok(())
}

async fn read_events(socket: &mut TcpStream, events: usize) -> Result<(), Failure> {
    let mut answer = Vec::new();
    let reading = async {
        while answer.windows(6).filter(|bytes| bytes == b"data: ").count() < events {
            if socket.read_buf(&mut answer).await.context("reading")? == 0 {
                return Err(Failure::new(format!("ended: {}", String::from_utf8_lossy(&answer))));
            }
        }
        Ok(())
    };
    timeout(WAIT_MAX, reading).await.context("events")?
}
