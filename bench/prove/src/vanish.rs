//! Peers that are gone without a word, which takes the operating system's help: it says goodbye for every program.

use crate::failure::{Context, Failure};
use socket2::{Domain, SockFilter, Socket, Type};
use std::os::fd::AsRawFd;

/// Nothing that is sent to this socket arrives, and nothing is answered, as when a cable is cut. As long as the socket is
/// kept and nothing is written to it, the other side hears nothing at all. Some machines permit it to root only.
pub fn fall_silent(socket: &Socket) -> Result<(), Failure> {
    const RETURN: u16 = 6;
    // A filter of one instruction: of each packet, take no byte.
    socket.attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)]).context("a socket filter")
}

/// Takes the connection away without FIN or RST, as when a host starts anew: what is sent to it afterwards is answered
/// with RST. Needs root.
pub fn forget(socket: Socket) -> Result<(), Failure> {
    const TCP_REPAIR: libc::c_int = 19;
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open, and pointer and length are those of `on`.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_REPAIR,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    // Closing a socket that is under repair sends nothing.
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()).context("TCP_REPAIR") }
}

/// Whether [`fall_silent`] and [`forget`] are permitted here.
pub fn permitted() -> Result<(bool, bool), Failure> {
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).context("a socket");
    Ok((fall_silent(&socket()?).is_ok(), forget(socket()?).is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{ErrorKind, Read, Write},
        net::{TcpListener, TcpStream},
        time::Duration,
    };

    fn pair() -> (TcpStream, Socket) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        other.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        (other, caller.into())
    }

    #[test]
    fn a_silent_peer_neither_reads_nor_answers() {
        let (mut other, caller) = pair();
        if !matches!(permitted(), Ok((true, _))) {
            return;
        }
        fall_silent(&caller).unwrap();
        other.write_all(b"x").unwrap();
        assert_eq!(other.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        caller.set_nonblocking(true).unwrap();
        assert_eq!((&caller).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn a_forgotten_connection_says_no_goodbye() {
        let (mut other, caller) = pair();
        if !matches!(permitted(), Ok((_, true))) {
            return;
        }
        forget(caller).unwrap();
        assert_eq!(other.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        other.write_all(b"x").unwrap();
        assert_eq!(other.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}
