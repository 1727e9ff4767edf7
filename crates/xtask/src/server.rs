//! Programs that run while something is measured: started, waited for, and stopped whatever happens.

use crate::{
    failure::{Context, Failure},
    step,
};
use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const READY_WAIT_MAX: Duration = Duration::from_secs(20);
const STOP_WAIT_MAX: Duration = Duration::from_secs(10);
/// Short beside the start of any server, so that it does not round the time to ready.
const POLL_INTERVAL: Duration = Duration::from_micros(200);

/// A program of ours that is running. Dropping it stops it.
pub struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
    started: Instant,
}

impl Server {
    /// Starts the program; what it prints goes into `NAME.log` in `folder`.
    pub fn start(name: &'static str, command: &mut Command, folder: &Path) -> Result<Server, Failure> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).context(log.display())?;
        let errors = output.try_clone().context(log.display())?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let started = Instant::now();
        let child = command.spawn().context(format!("cannot start {name}"))?;
        Ok(Server { name, child, log, started })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `is_ready`; gives the time since the start.
    pub fn wait_until(&mut self, is_ready: impl Fn() -> bool) -> Result<Duration, Failure> {
        loop {
            if is_ready() {
                return Ok(self.started.elapsed());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.failure(&format!("ended ({status})")));
            }
            if self.started.elapsed() > READY_WAIT_MAX {
                return Err(self.failure("did not become ready"));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn failure(&self, what: &str) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(15)..].join("\n");
        Failure::new(format!("{} {what}\n{end}", self.name))
    }
}

impl Drop for Server {
    /// Asks the program to end, and ends it when it does not. Its pid cannot be another's: nobody has waited for it.
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // The shell's own `kill`: the program of that name is not part of a minimal Debian.
        step::succeeds("sh", &["-c", "kill -TERM \"$0\"", &self.child.id().to_string()]);
        let asked = Instant::now();
        while asked.elapsed() < STOP_WAIT_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        // It has been asked; what cannot be killed either is not ours to mend here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ports on loopback that nothing listens on. Another program may take one before it is used; starting then fails.
pub fn free_ports<const N: usize>() -> Result<[u16; N], Failure> {
    // All are held until all are known, so that no port comes twice.
    let held: Vec<TcpListener> = (0..N)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()
        .context("no free port")?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr().context("no free port")?.port();
    }
    Ok(ports)
}

/// Whether something accepts connections on the port.
pub fn is_listening(port: u16) -> bool {
    connect(port).is_some()
}

/// Whether `GET path` is answered with 200.
pub fn answers_200(port: u16, path: &str) -> bool {
    let Some(mut stream) = connect(port) else { return false };
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let read = stream.write_all(request.as_bytes()).and_then(|()| stream.take(4096).read_to_end(&mut answer));
    read.is_ok() && answer.starts_with(b"HTTP/1.1 200 ")
}

fn connect(port: u16) -> Option<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    Some(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_server_is_gone() {
        let folder = std::env::temp_dir().join(format!("xtask-server-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let server = Server::start("sleeper", Command::new("sleep").arg("60"), &folder).unwrap();
        let process = format!("/proc/{}", server.pid());
        assert!(Path::new(&process).exists());
        drop(server);
        fs::remove_dir_all(&folder).unwrap();
        assert!(!Path::new(&process).exists());
    }

    #[test]
    fn a_server_that_ends_early_is_reported_with_its_last_words() {
        let folder = std::env::temp_dir().join(format!("xtask-early-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such file; exit 2"]);
        let waited = Server::start("early", &mut command, &folder).unwrap().wait_until(|| false);
        fs::remove_dir_all(&folder).unwrap();
        let message = waited.unwrap_err().to_string();
        assert!(
            message.starts_with("early ended (exit status: 2)") && message.ends_with("no such file"),
            "{message}"
        );
    }

    #[test]
    fn free_ports_differ_and_are_free() {
        // Somebody else may take one at that very moment.
        let are_free =
            |[first, second]: [u16; 2]| first != second && !is_listening(first) && !answers_200(second, "/");
        assert!((0..3).any(|_| are_free(free_ports().unwrap())));
    }
}
