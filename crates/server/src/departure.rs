//! A caller's socket, and noticing that the caller has left while nothing reads from it.
//!
//! hyper notices by reading. It does not read while it holds bytes of a next request, so one byte sent ahead would
//! keep a call running for nobody. The operating system tells of the end whether or not anything is read.
//!
//! A caller who only closes its own side counts as gone, as it does for hyper: nearly all who do that have left, and
//! the two cannot be told apart. What is ready when it happens is still delivered.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// For what arrived before the end: a whole request is still read, and a quick answer written.
const GRACE: Duration = Duration::from_millis(10);

/// A connection, to be read and written by one owner.
#[derive(Debug)]
pub struct Socket {
    read: OwnedReadHalf,
    write: Arc<OwnedWriteHalf>,
}

/// Watches over a [`Socket`] from outside.
#[derive(Debug)]
pub struct Departure(Arc<OwnedWriteHalf>);

/// Splits a connection into what is served and what watches it.
pub fn watch(stream: TcpStream) -> (Socket, Departure) {
    let (read, write) = stream.into_split();
    let write = Arc::new(write);
    (Socket { read, write: write.clone() }, Departure(write))
}

impl Departure {
    /// Resolves shortly after the caller has closed the connection, or its side of it.
    #[cfg(target_os = "linux")]
    pub async fn happened(&self) {
        // Of all kinds of interest this one alone is not also woken by bytes that nobody reads.
        if let Err(error) = self.0.ready(tokio::io::Interest::PRIORITY).await {
            tracing::debug!(%error, "a connection cannot be watched");
            return std::future::pending().await;
        }
        tokio::time::sleep(GRACE).await;
    }

    /// Never resolves: there is no such signal here, and hyper's own reading has to do.
    #[cfg(not(target_os = "linux"))]
    pub async fn happened(&self) {
        std::future::pending().await
    }
}

impl Socket {
    fn stream(&self) -> &TcpStream {
        (*self.write).as_ref()
    }

    /// Writes as soon as the socket takes something.
    fn poll_with(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream().poll_write_ready(context))?;
            match write(self.stream()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_with(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket2::SockRef::from(self.stream()).shutdown(Shutdown::Write))
    }
}
