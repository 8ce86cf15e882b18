use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::routes::Format;

/// An API gateway that lets a request pass only if its access token allows it.
#[derive(Debug, Parser)]
#[command(name = "orgate", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves the faces that the configuration turns on.
    Serve(Config),
    /// Validates a configuration without the network, and prints its routes.
    Check(Config),
    /// Prints the route table.
    Routes {
        #[command(flatten)]
        config: Config,
        /// How to print it.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Runs an issuer, two upstreams and the gateway in one process, and prints requests to try.
    Demo {
        /// The port of the gateway; 0 takes any.
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Config {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}
