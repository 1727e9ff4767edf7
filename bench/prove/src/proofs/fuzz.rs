//! No input ends the process, panics, or takes long: `crates/fuzz` feeds every parser, one process for each.
//!
//! Each has bounded memory. What kills a process (a stack overflow, too much memory, an input that never ends) leaves
//! the input in the folder of findings, which stays when there are any.

use crate::{
    failure::{Context, Failure},
    rig::Options,
};
use std::{
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Output, Stdio},
};

const TARGETS: [&str; 5] = ["request", "answer", "stream", "journal", "config"];
const MEMORY_BYTES_MAX: u64 = 1 << 30;
/// Of one target.
const SHORT_S: u64 = 1;
const LONG_S: u64 = 20 * 60;

#[derive(Default)]
struct Sum {
    executions: u64,
    crashes: u64,
    slow: u64,
    longest_ms: u64,
}

pub async fn run(options: &Options) -> Result<String, Failure> {
    let folder = std::env::temp_dir().join(format!("prove-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).context(folder.display())?;
    // Beside the gateway, built with it.
    let program = options.gateway.with_file_name("fuzz");
    let seconds = if options.is_long { LONG_S } else { SHORT_S };
    let running: Vec<_> = TARGETS
        .map(|target| {
            let (program, folder, seed) = (program.clone(), folder.clone(), options.seed);
            tokio::task::spawn_blocking(move || fuzz(&program, target, seconds, seed, &folder))
        })
        .into();
    let (mut sum, mut findings) = (Sum::default(), Vec::new());
    for (target, one) in TARGETS.into_iter().zip(running) {
        let output = one.await.context(target)??;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = |name: &str| {
            let value = text.split_whitespace().find_map(|word| word.strip_prefix(name));
            value.and_then(|value| value.parse::<u64>().ok())
        };
        sum.executions += number("execs=").unwrap_or(0);
        sum.slow += number("slow=").unwrap_or(0);
        sum.longest_ms = sum.longest_ms.max(number("longest_ms=").unwrap_or(0));
        // A process that did not come to its figures was ended by an input.
        sum.crashes += number("crashes=").unwrap_or(1);
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            findings.push(format!("{target} ({}): {}{}", output.status, text.trim(), complaint.trim()));
        }
    }
    let line = format!(
        "execs={} crashes={} slow={} targets={} seconds_each={seconds} longest_ms={}",
        sum.executions,
        sum.crashes,
        sum.slow,
        TARGETS.len(),
        sum.longest_ms
    );
    if findings.is_empty() && sum.executions > 0 {
        // Left over in the temporary folder at worst.
        let _ = fs::remove_dir_all(&folder);
        return Ok(line);
    }
    Err(Failure::new(format!("{line}\n{}\nthe inputs are in {}", findings.join("\n"), folder.display())))
}

fn fuzz(program: &Path, target: &str, seconds: u64, seed: u64, folder: &Path) -> Result<Output, Failure> {
    let mut command = Command::new(program);
    command.args([target, "--seconds", &seconds.to_string(), "--seed", &seed.to_string(), "--findings"]);
    command.arg(folder).stdin(Stdio::null());
    let limit = libc::rlimit { rlim_cur: MEMORY_BYTES_MAX, rlim_max: MEMORY_BYTES_MAX };
    // SAFETY: between fork and exec only one system call is made, which takes a pointer to a value that lives.
    unsafe {
        command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_AS, &limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    command.output().context(format!("cannot run {}", program.display()))
}
