//! `orgate`: an API gateway that lets a request pass only if its access token allows it.

mod answer;
mod audit;
mod cli;
mod compile;
mod config;
mod decisions;
mod demo;
mod explain;
mod face;
mod gateway;
mod identity;
mod judge;
mod log;
mod net;
mod path;
mod reload;
mod request;
mod retired;
mod routes;
mod serve;
mod telemetry;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::Runtime;

use crate::cli::{Cli, Command, Config};
use crate::compile::Purpose;
use crate::gateway::Gateway;
use crate::routes::Format;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orgate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Serve(Config { config }) => {
            let loaded = config::load(&config)?;
            log::start(compile::log_format(&loaded)?);
            telemetry::start();
            let read = loaded.read.clone();
            let gateway = compile::compile(loaded, Purpose::Serve)?;
            for warning in &gateway.warnings {
                tracing::warn!(target: "orgate", "{warning}");
            }
            Ok(Runtime::new()?.block_on(serve::run(config, gateway, read))?)
        }
        Command::Check(Config { config }) => {
            let gateway = read(&config)?;
            for warning in &gateway.warnings {
                eprintln!("warning: {warning}");
            }
            print!("{}", routes::table(&gateway, Format::Text));
            Ok(())
        }
        Command::Routes { config: Config { config }, format } => {
            print!("{}", routes::table(&read(&config)?, format));
            Ok(())
        }
        Command::Explain { config: Config { config }, method, url, headers, format } => {
            let gateway = read(&config)?;
            let mut request = explain::request(&method, &url, &headers, std::io::stdin().lock())?;
            let explained = Runtime::new()?.block_on(gateway.explain(&mut request));
            print!("{}", explained.print(format));
            Ok(())
        }
        Command::Audit { config: Config { config }, args } => {
            let gateway = read(&config)?;
            Runtime::new()?.block_on(audit::run(&gateway, &args))
        }
        Command::Demo { port } => {
            log::start(log::LogFormat::Text);
            Ok(Runtime::new()?.block_on(demo::run(port))?)
        }
    }
}

/// Reads and compiles a file; everything but serving.
fn read(path: &Path) -> Result<Gateway, Box<dyn Error>> {
    Ok(compile::compile(config::load(path)?, Purpose::Inspect)?)
}
