//! The command line.

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// Print the version.
    Version,
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
    },
    /// List all keys.
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

/// Models.
#[derive(Debug, Args)]
pub struct Models {
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
