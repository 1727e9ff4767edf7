//! A program that a proof starts, asks to stop, or kills.

use crate::failure::{Context, Failure};
use std::{
    fs::OpenOptions,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A running program of ours. Dropping it kills it.
pub struct Program(Child);

impl Program {
    /// Starts it; what it prints is appended to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Result<Program, Failure> {
        let output = OpenOptions::new().create(true).append(true).open(log).context(log.display())?;
        let errors = output.try_clone().context(log.display())?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        command.spawn().map(Program).context(format!("cannot start {}", command.get_program().display()))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// SIGTERM, without waiting.
    pub fn ask_to_stop(&self) {
        // SAFETY: a system call without pointers; the process is ours and not waited for, so the id is its own.
        unsafe { libc::kill(self.0.id().cast_signed(), libc::SIGTERM) };
    }

    /// SIGTERM; gives the time until the end, or nothing when it takes longer than `wait_max`.
    pub fn terminate(&mut self, wait_max: Duration) -> Option<(ExitStatus, Duration)> {
        let asked = Instant::now();
        self.ask_to_stop();
        while asked.elapsed() < wait_max {
            if let Some(status) = self.ended() {
                return Some((status, asked.elapsed()));
            }
            thread::sleep(POLL_INTERVAL);
        }
        None
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Two ports on loopback that nothing listens on.
pub fn free_ports() -> Result<(u16, u16), Failure> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port");
    // Both are held until both are known.
    let (first, second) = (listen()?, listen()?);
    let port = |listener: &TcpListener| listener.local_addr().map(|a| a.port()).context("no free port");
    Ok((port(&first)?, port(&second)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Program {
        Program::start(Command::new("sleep").arg("60"), Path::new("/dev/null")).unwrap()
    }

    #[test]
    fn a_killed_program_is_gone() {
        let mut program = sleeper();
        assert!(program.ended().is_none());
        program.kill();
        assert!(program.ended().is_some());
    }

    #[test]
    fn a_program_stops_when_asked() {
        assert!(sleeper().terminate(Duration::from_secs(10)).is_some());
    }
}
