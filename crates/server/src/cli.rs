//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::{Money, Window};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// A self-hosted gateway between applications and AI providers.
#[derive(Debug, Parser)]
#[command(name = "signalbox", version, max_term_width = 100)]
pub struct Cli {
    /// Settings file [default: signalbox.toml, if there is one].
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for everything the gateway keeps [default: signalbox-data].
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:8400].
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// What to do [default: serve].
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway.
    Serve,
    /// Read the settings, say what is wrong with them, print what is in force.
    CheckConfig,
    /// Make, list and delete API keys.
    #[command(subcommand)]
    Keys(Keys),
    /// List the models of the configured providers, with prices.
    Models(Models),
    /// List the configured providers.
    Providers(Providers),
    /// Look at recorded requests.
    #[command(subcommand)]
    Requests(Requests),
    /// Look at what was spent, and prove it.
    #[command(subcommand)]
    Ledger(Ledger),
    /// Set and list spending limits.
    #[command(subcommand)]
    Limits(Limits),
    /// Show what becomes of a request.
    #[command(subcommand)]
    Explain(Explain),
    /// Print the version.
    Version,
    /// Print the text of a PDF, from standard input. The gateway runs it with little memory and time.
    #[command(name = "read-pdf", hide = true)]
    ReadPdf,
}

/// What becomes of a request.
#[derive(Debug, Subcommand)]
pub enum Explain {
    /// Print a request beside what its provider is sent for it, and what is lost between them. Nothing is sent.
    Translate {
        /// The file with the request's body; `-` for standard input.
        file: PathBuf,
        /// The endpoint it is for.
        #[arg(long, default_value = "/v1/chat/completions", value_name = "PATH")]
        endpoint: String,
        /// Ask this model instead of the one in the body.
        #[arg(long, value_name = "PROVIDER/MODEL")]
        model: Option<String>,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// API keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a key and print it, this once.
    Create {
        /// A name to know it by.
        #[arg(long)]
        name: String,
        /// When it stops working, such as 2027-01-31T00:00:00Z.
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
        /// How far it reaches into the management API: none, read or write.
        #[arg(long, default_value = "none", value_name = "ACCESS")]
        manage: domain::Access,
        /// What its spending also counts against, such as grp_…; may stand several times.
        #[arg(long = "scope", value_name = "ID")]
        scopes: Vec<domain::Scope>,
        /// Its spending limit, in US dollars.
        #[arg(long, value_name = "AMOUNT")]
        limit: Option<Money>,
        #[command(flatten)]
        how: How,
    },
    /// Set or remove a key's spending limit.
    Limit {
        /// The key's id.
        id: domain::KeyId,
        /// US dollars, or `none`.
        amount: Amount,
        #[command(flatten)]
        how: How,
    },
    /// Set or remove a key's rate limits; what is not named stays as it is.
    Rate {
        /// The key's id.
        id: domain::KeyId,
        /// Requests in a minute, or `none`.
        #[arg(long, value_name = "N")]
        requests_per_minute: Option<Bound<u32>>,
        /// Tokens in a minute, prompts and answers together, or `none`.
        #[arg(long, value_name = "N")]
        tokens_per_minute: Option<Bound<u64>>,
        /// Calls at the same time, or `none`.
        #[arg(long, value_name = "N")]
        concurrent: Option<Bound<u32>>,
    },
    /// List all keys, with their limits.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Delete a key for good.
    Delete {
        /// Its id.
        id: String,
    },
}

/// How a limit counts.
#[derive(Clone, Copy, Debug, Args)]
pub struct How {
    /// What the limit looks at: day, month or total.
    #[arg(long, default_value = "month")]
    pub window: Window,
    /// Warn where the limit is passed, and let calls through.
    #[arg(long)]
    pub soft: bool,
}

/// An amount, or none.
#[derive(Clone, Copy, Debug)]
pub struct Amount(pub Option<Money>);

impl FromStr for Amount {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            text => text.parse().map(|amount| Self(Some(amount))).map_err(|error| format!("{error}")),
        }
    }
}

/// How many of something at the most, or any number.
#[derive(Clone, Copy, Debug)]
pub struct Bound<N>(pub Option<N>);

impl<N: FromStr + From<u8> + PartialEq> FromStr for Bound<N> {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text == "none" {
            return Ok(Self(None));
        }
        let count = text.parse().ok().filter(|count| *count != N::from(0));
        count.map(|count| Self(Some(count))).ok_or("expected a whole number from 1, or none")
    }
}

/// What the organization pays for models otherwise than the catalogue says.
#[derive(Debug, Subcommand)]
pub enum ModelPrices {
    /// List them.
    List {
        /// One JSON object for each.
        #[arg(long)]
        json: bool,
    },
    /// Set what a model costs, in USD per million tokens. What is not named keeps its proportion.
    Set {
        /// Its name, provider/model.
        model: String,
        /// Input.
        #[arg(long)]
        input: Money,
        /// Output.
        #[arg(long)]
        output: Money,
        /// Input read from a cache.
        #[arg(long)]
        cache_read: Option<Money>,
        /// Input written to a cache.
        #[arg(long)]
        cache_write: Option<Money>,
    },
    /// Let the catalogue's price count again.
    Remove {
        /// Its name, provider/model.
        model: String,
    },
}

/// Spending limits.
#[derive(Debug, Subcommand)]
pub enum Limits {
    /// List all limits, with what is spent.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Set a limit.
    Set {
        /// `org`, or the id of what is limited: key_…, grp_…
        scope: String,
        /// US dollars.
        amount: Money,
        #[command(flatten)]
        how: How,
    },
    /// Remove a limit.
    Remove {
        /// `org`, or the id of what is limited.
        scope: String,
        /// Which of its limits: day, month or total.
        #[arg(long, default_value = "month")]
        window: Window,
    },
}

/// The ledger.
#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Fold the ledger from zero and compare it with every balance and rollup.
    Verify,
    /// The newest entries.
    Show {
        /// How many.
        #[arg(short = 'n', long, default_value_t = 20)]
        limit: u32,
    },
    /// Print every entry.
    Export {
        /// jsonl or csv.
        #[arg(long, default_value = "jsonl")]
        format: Format,
    },
    /// Build balances and rollups anew from the ledger.
    Repair,
}

/// How entries are printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated, with a head.
    Csv,
}

/// Models.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Models {
    /// What to do [default: list].
    #[command(subcommand)]
    pub command: Option<ModelsCommand>,
    #[command(flatten)]
    pub list: ListModels,
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the models of the configured providers, with prices.
    List(ListModels),
    /// Print all that is known of a model.
    Show {
        /// Its name, provider/model.
        model: String,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// What the organization pays for models otherwise than the catalogue says. A running gateway takes it over by itself.
    #[command(subcommand)]
    Price(ModelPrices),
    /// Ask providers for their own lists: + what the catalogue does not know, - what they do not list.
    Diff {
        /// Only this provider.
        provider: Option<String>,
    },
    /// Add what providers list to what is known, without a price; or take a catalogue over. Local overrides stay.
    Sync {
        /// A file <kind>.toml, a folder of such, or the address of one, to take over in place of asking.
        #[arg(long, value_name = "PATH")]
        from: Option<String>,
        /// Only this provider.
        provider: Option<String>,
    },
}

/// Which models.
#[derive(Debug, Args)]
pub struct ListModels {
    /// Only names that contain this.
    pub filter: Option<String>,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Providers.
#[derive(Debug, Args)]
pub struct Providers {
    /// Every kind that may stand in `kind = "…"`, instead of the configured ones.
    #[arg(long)]
    pub kinds: bool,
}

/// Recorded requests.
#[derive(Debug, Subcommand)]
pub enum Requests {
    /// The newest requests.
    Tail {
        /// How many.
        #[arg(short = 'n', long, default_value_t = 20)]
        limit: u32,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
        /// Go on with new ones as they come.
        #[arg(short, long)]
        follow: bool,
    },
    /// One request in full.
    Show {
        /// Its id.
        id: String,
        /// As one line of JSON.
        #[arg(long)]
        json: bool,
    },
}
