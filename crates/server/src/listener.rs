//! Accepting connections: TCP, TLS where configured, HTTP/1.1 and HTTP/2, and a clean end.

use crate::config::Tls;
use crate::departure::{self, Departure};
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use gateway::http::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// To receive a request's head, and to end a TLS handshake.
const HEAD_WAIT: Duration = Duration::from_secs(30);
/// Buffer of a connection in each direction: bounds the memory of an idle one.
const BUFFER: usize = 64 * 1024;
/// What the operating system holds for a caller who does not read; accepted connections inherit it.
const SEND_BUFFER: usize = 256 * 1024;
/// HTTP/2 flow control: what a caller may send before it is read.
const H2_STREAM_WINDOW: u32 = 128 * 1024;
const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// After a failed accept, most likely for want of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const BACKLOG: i32 = 4_096;

/// Why the gateway cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be taken.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("cannot use the TLS {what}: {reason}")]
    Tls {
        /// Which file.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// Takes the address. A caller who acknowledges nothing of what was sent for `silence_max` is taken for gone; else one
/// whose host has vanished would be missed until the buffers are full, or for the operating system's quarter of an hour.
pub fn bind(address: SocketAddr, silence_max: Duration) -> Result<TcpListener, ListenError> {
    let open = || -> std::io::Result<TcpListener> {
        let socket =
            socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        // Accepted connections inherit this, too.
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(silence_max))?;
        #[cfg(not(target_os = "linux"))]
        let _ = silence_max;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|source| ListenError::Bind { address, source })
}

/// Reads certificate and key, where configured.
pub fn tls(settings: &Tls) -> Result<Option<TlsAcceptor>, ListenError> {
    if settings.cert.as_os_str().is_empty() {
        return Ok(None);
    }
    let fault = |what| move |reason: String| ListenError::Tls { what, reason };
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_file_iter(&settings.cert).and_then(Iterator::collect);
    let chain = chain.map_err(|error| fault("certificate")(reason(&error)))?;
    let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(|error| fault("key")(reason(&error)))?;
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| fault("certificate")(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// Why a file is refused. The library's own text quotes the line, and a key may stand there.
fn reason(error: &pem::Error) -> String {
    if let pem::Error::Io(error) = error {
        return error.to_string();
    }
    let is_missing = matches!(error, pem::Error::NoItemsFound);
    if is_missing { "there is none in the file" } else { "the file is not valid PEM" }.to_owned()
}

/// What is needed to serve.
pub struct Listener {
    /// Where connections come in.
    pub socket: TcpListener,
    /// How they are encrypted, if they are.
    pub tls: Option<TlsAcceptor>,
    /// What they are given.
    pub service: Service,
    /// The runtimes they live on, in turn.
    pub cores: Vec<Handle>,
}

/// Serves until `stop` is cancelled, then lets open connections end by themselves until `deadline`.
pub async fn serve(listener: Listener, stop: CancellationToken, deadline: CancellationToken) {
    let Listener { socket, tls, service, cores } = listener;
    let mut connections = JoinSet::new();
    let builder = Arc::new(http());
    let mut turn = cores.iter().cycle();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted.and_then(|(stream, _)| stream.into_std()),
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(core) = turn.next() else { break };
        let (builder, service, tls, stop) = (builder.clone(), service.clone(), tls.clone(), stop.clone());
        let serving = async move { connection(stream, tls, &builder, service, stop).await };
        connections.spawn_on(serving, core);
    }
    drop(socket);
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = deadline.cancelled() => connections.abort_all(),
    }
}

fn http() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT).max_buf_size(BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_concurrent_streams(256)
        .keep_alive_interval(Some(HEAD_WAIT));
    builder
}

async fn connection(
    stream: std::net::TcpStream,
    tls: Option<TlsAcceptor>,
    builder: &Builder<TokioExecutor>,
    router: Service,
    stop: CancellationToken,
) {
    // Without it a small frame of a stream would wait for the acknowledgement of the one before.
    let stream = match stream.set_nodelay(true).and_then(|()| TcpStream::from_std(stream)) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a connection was gone before it was served");
            return;
        }
    };
    let (stream, departure) = departure::watch(stream);
    match tls {
        None => http_connection(stream, &departure, builder, router, stop).await,
        Some(acceptor) => match tokio::time::timeout(HEAD_WAIT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => http_connection(stream, &departure, builder, router, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

/// What ends a connection from outside.
enum Sign {
    /// The process stops.
    Stop,
    /// The caller has left.
    Gone,
}

async fn http_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    departure: &Departure,
    builder: &Builder<TokioExecutor>,
    router: Service,
    stop: CancellationToken,
) {
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), router);
    tokio::pin!(connection);
    // Looked at only when one of them has something to say, and not at each of the connection's own steps.
    let mut signs: FuturesUnordered<Pin<Box<dyn Future<Output = Sign> + Send + '_>>> =
        FuturesUnordered::new();
    signs.push(Box::pin(stop.cancelled().map(|()| Sign::Stop)));
    signs.push(Box::pin(departure.happened().map(|()| Sign::Gone)));
    let ended = loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => break ended,
            Some(sign) = signs.next() => match sign {
                Sign::Stop => connection.as_mut().graceful_shutdown(),
                // Dropping the connection drops its call's answer, which ends the call.
                Sign::Gone => break Ok(()),
            },
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended early");
    }
}
