//! `fuzz TARGET`: mutates a corpus by a seed and feeds it to one parser, for so many seconds.
//!
//! Prints one line of figures. A panic, and an input that takes too long, is a finding: the input is kept in the
//! folder of findings, and the program fails. What ends the process (a stack overflow, memory beyond its limit, a hang)
//! leaves its input there too, for whoever watches over it. Needs neither nightly Rust nor instrumentation, so it knows
//! nothing of coverage: the corpus has to lead it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to a terminal")]

mod mutate;
mod rng;
mod samples;
mod seeds;
mod targets;

use rng::Rng;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use targets::Target;

/// The stack of a thread that serves requests.
const STACK_BYTES: usize = 2 << 20;
/// Longest time for an input, which has at most a quarter of a MiB. What is not optimized is some ten times slower.
const INPUT_MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 100 });
/// After so long the process ends itself: the input is taken for one that hangs.
const HANG_MAX: Duration = Duration::from_secs(10);

struct Options {
    target: Target,
    seconds: u64,
    seed: u64,
    findings: PathBuf,
    /// Feeds this file once, and nothing else.
    input: Option<PathBuf>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options = match parse(&words) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\nusage: fuzz TARGET --seconds N --seed N --findings DIR | --input FILE");
            return ExitCode::from(2);
        }
    };
    let fuzzing = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || run(&options));
    match fuzzing.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(true))) => ExitCode::SUCCESS,
        Ok(Ok(Ok(false))) => ExitCode::FAILURE,
        Ok(Ok(Err(error))) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
        Ok(Err(_)) | Err(_) => ExitCode::from(2),
    }
}

fn parse(words: &[String]) -> Result<Options, String> {
    let (name, rest) = words.split_first().ok_or("no target")?;
    let target = Target::ALL.into_iter().find(|target| target.name() == name).ok_or("an unknown target")?;
    let mut options = Options { target, seconds: 5, seed: 1, findings: PathBuf::from("."), input: None };
    for pair in rest.chunks(2) {
        let [word, value] = pair else { return Err("a value is missing".to_owned()) };
        let number = || value.parse().map_err(|_| format!("{word} needs a number"));
        match word.as_str() {
            "--seconds" => options.seconds = number()?,
            "--seed" => options.seed = number()?,
            "--input" => options.input = Some(PathBuf::from(value)),
            "--findings" => options.findings = PathBuf::from(value),
            _ => return Err(format!("unknown: {word}")),
        }
    }
    Ok(options)
}

/// What is counted.
#[derive(Default)]
struct Count {
    executions: u64,
    bytes: u64,
    crashes: u64,
    slow: u64,
    longest: Duration,
}

fn run(options: &Options) -> std::io::Result<bool> {
    if let Some(input) = &options.input {
        let input = fs::read(input)?;
        let begun = Instant::now();
        options.target.feed(&input);
        println!("target={} ms={}", options.target.name(), begun.elapsed().as_millis());
        return Ok(true);
    }
    fs::create_dir_all(&options.findings)?;
    // Shown once by whoever reads the finding; ten thousand times would only hide it.
    std::panic::set_hook(Box::new(|_| {}));
    let seeds = seeds::of(options.target)?;
    let current = options.findings.join(format!("{}.current", options.target.name()));
    let current_file = File::create(&current)?;
    let watched = watch();
    let mut rng = Rng::new(options.seed);
    let mut count = Count::default();
    let end = Instant::now() + Duration::from_secs(options.seconds);
    // The corpus first, as it is: what was found once must stay mended.
    let mut plain = seeds.iter();
    while let Some(input) = next(&mut plain, &seeds, &mut rng, end) {
        // The last input stands in a file, should this process not survive it.
        current_file.set_len(0)?;
        current_file.write_all_at(&input, 0)?;
        watched.store(now_ms(), Ordering::Relaxed);
        let begun = Instant::now();
        let caught = catch_unwind(AssertUnwindSafe(|| options.target.feed(&input)));
        let took = begun.elapsed();
        watched.store(0, Ordering::Relaxed);
        count.executions += 1;
        count.bytes += input.len() as u64;
        count.longest = count.longest.max(took);
        if caught.is_err() {
            count.crashes += 1;
            keep(options, "crash", count.crashes, &input)?;
        }
        if took > INPUT_MAX && is_slow(options.target, &input) {
            count.slow += 1;
            keep(options, "slow", count.slow, &input)?;
        }
    }
    fs::remove_file(&current)?;
    println!(
        "target={} execs={} mib={} crashes={} slow={} longest_ms={} seeds={}",
        options.target.name(),
        count.executions,
        count.bytes >> 20,
        count.crashes,
        count.slow,
        count.longest.as_millis(),
        seeds.len()
    );
    Ok(count.crashes + count.slow == 0)
}

/// The next input: a seed as it is, then mutated ones until the time is over.
fn next<'a>(
    plain: &mut impl Iterator<Item = &'a Vec<u8>>,
    seeds: &[Vec<u8>],
    rng: &mut Rng,
    end: Instant,
) -> Option<Vec<u8>> {
    if let Some(seed) = plain.next() {
        return Some(seed.clone());
    }
    (Instant::now() < end).then(|| mutate::mutate(seeds, rng))
}

/// Whether an input takes long by itself: not because the machine was busy.
fn is_slow(target: Target, input: &[u8]) -> bool {
    (0..3).all(|_| {
        let begun = Instant::now();
        let _ = catch_unwind(AssertUnwindSafe(|| target.feed(input)));
        begun.elapsed() > INPUT_MAX
    })
}

fn keep(options: &Options, kind: &str, number: u64, input: &[u8]) -> std::io::Result<()> {
    // A fault that is found once is found often.
    if number > 20 {
        return Ok(());
    }
    let name = format!("{}-{kind}-{}-{number}", options.target.name(), options.seed);
    fs::write(options.findings.join(name), input)
}

fn now_ms() -> u64 {
    static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    // Not 0, which means that nothing runs.
    u64::try_from(BEGUN.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Ends the process when an input takes for ever. Gives where to say when one has begun.
fn watch() -> Arc<AtomicU64> {
    let begun = Arc::new(AtomicU64::new(0));
    let watched = begun.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let since = watched.load(Ordering::Relaxed);
            if since > 0 && now_ms().saturating_sub(since) > HANG_MAX.as_millis() as u64 {
                eprintln!("an input takes for ever");
                std::process::abort();
            }
        }
    });
    begun
}
