//! The command line.

/// Closed loop, open loop, or streams in a closed loop; see the top of `main.rs`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Mode {
    Closed,
    Open,
    Stream,
}

impl Mode {
    fn parse(name: &str) -> Option<Mode> {
        match name {
            "closed" => Some(Mode::Closed),
            "open" => Some(Mode::Open),
            "stream" => Some(Mode::Stream),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Mode::Closed => "closed",
            Mode::Open => "open",
            Mode::Stream => "stream",
        }
    }

    fn connections(self) -> usize {
        match self {
            Mode::Closed => 32,
            Mode::Open => 256,
            Mode::Stream => 50,
        }
    }
}

pub struct Arguments {
    pub mode: Mode,
    pub url: String,
    pub key: String,
    pub model: String,
    pub api: String,
    pub headers: Vec<String>,
    pub mock: String,
    pub body_bytes: usize,
    pub connections: usize,
    pub rate: f64,
    pub secs: f64,
    pub warmup_secs: f64,
    pub timeout_secs: f64,
    pub sample: bool,
    pub expect_fail: bool,
}

const USAGE: &str = "usage: stream-load closed|open|stream --url http://127.0.0.1:PORT/v1 …";

/// Ends the program with a message.
pub fn die(message: &str) -> ! {
    eprintln!("{message}");
    std::process::exit(2)
}

/// Reads the command line; every number is clamped to a bound.
pub fn read() -> Arguments {
    let mut words = std::env::args().skip(1);
    let Some(mode) = words.next().as_deref().and_then(Mode::parse) else { die(USAGE) };
    let mut arguments = Arguments {
        mode,
        url: String::new(),
        key: String::new(),
        model: "mock".into(),
        api: "openai".into(),
        headers: vec![],
        mock: String::new(),
        body_bytes: 1024,
        connections: mode.connections(),
        rate: 500.0,
        secs: 5.0,
        warmup_secs: 1.0,
        timeout_secs: 10.0,
        sample: false,
        expect_fail: false,
    };
    while let Some(name) = words.next() {
        match name.as_str() {
            "--sample" => arguments.sample = true,
            "--expect-fail" => arguments.expect_fail = true,
            _ => {
                let value = words.next().unwrap_or_else(|| die(&format!("{name} needs a value")));
                set(&mut arguments, &name, value);
            }
        }
    }
    if arguments.url.is_empty() {
        die(USAGE);
    }
    arguments
}

fn set(arguments: &mut Arguments, name: &str, value: String) {
    let number = |low: f64, high: f64| {
        value.parse::<f64>().unwrap_or_else(|_| die(&format!("{name}: not a number"))).clamp(low, high)
    };
    match name {
        "--body-bytes" => arguments.body_bytes = number(0.0, f64::from(1 << 24)) as usize,
        "--conns" => arguments.connections = number(1.0, 4096.0) as usize,
        "--rate" => arguments.rate = number(1.0, 200_000.0),
        "--secs" => arguments.secs = number(0.1, 600.0),
        "--warmup" => arguments.warmup_secs = number(0.0, 60.0),
        "--timeout" => arguments.timeout_secs = number(0.1, 120.0),
        "--url" => arguments.url = value,
        "--key" => arguments.key = value,
        "--model" => arguments.model = value,
        "--api" => arguments.api = value,
        "--header" => arguments.headers.push(value),
        "--mock" => arguments.mock = value,
        _ => die(&format!("unknown option {name}")),
    }
}
