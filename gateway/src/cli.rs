use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use http::{Method, Uri};

use crate::audit::AuditArgs;
use crate::{explain, routes::Format};

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
    /// Judges one request and prints each step.
    Explain {
        #[command(flatten)]
        config: Config,
        /// The request's method.
        #[arg(long, default_value = "GET")]
        method: Method,
        /// The request's URL, or its path and query.
        #[arg(long)]
        url: Uri,
        /// A header of the request; `@-` reads lines of headers from the standard input, where a token belongs.
        #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
        headers: Vec<String>,
        /// How to print it.
        #[arg(long, value_enum, default_value_t)]
        format: explain::Format,
    },
    /// Puts the routes beside the roles of the tenant: who may call what, and what does not fit.
    Audit {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        args: AuditArgs,
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
