//! The `zoetrope` command: runs everything on one machine, submits tasks and watches them, diagnoses.
//!
//! It speaks to a server only through the HTTP API; `doctor` and `fsck` look at Redis itself. Data goes to stdout, talk to stderr.

mod args;
mod client;
mod commands;
mod configuration;
mod exit;
mod facts;
mod film;
mod guide;
mod lesson;
mod out;
mod plain;
mod show;
mod transcript;
mod up;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::{Cli, Command};
use crate::client::Client;
use crate::configuration::Configuration;
use crate::exit::{CliError, Exit};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // The main thread's own runtime: the kernel ties children to the thread that started them.
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::failed)
        .and_then(|runtime| runtime.block_on(run(&cli)));
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            out::note(&format!("zoetrope: {}", error.message));
            error.exit.into()
        }
    }
}

async fn run(cli: &Cli) -> Result<Exit, CliError> {
    let output = out::form(cli);
    if let Command::Completions { shell } = cli.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "zoetrope", &mut script);
        out::data(&String::from_utf8_lossy(&script))?;
        return Ok(Exit::Done);
    }
    let configuration = Configuration::load()?;
    let settings = &configuration.settings;
    let client = Client::new(
        cli.server.as_deref().unwrap_or(&settings.server_url),
        settings.api_key.as_ref(),
    )?;
    match &cli.command {
        Command::Up(args) => up::run(args, &configuration).await,
        Command::Submit(args) => commands::submit(&client, args, output).await,
        Command::Get(args) => commands::get(&client, args, output).await,
        Command::Why(args) => commands::why(&client, args, output).await,
        Command::Wait(args) => commands::wait(&client, args, output).await,
        Command::Cancel(args) => commands::cancel(&client, args, output).await,
        Command::List(args) => commands::list(&client, args, output).await,
        Command::Kinds(args) => commands::kinds(&client, args, output).await,
        Command::Ocr(args) => commands::ocr(&client, args, output).await,
        Command::Steps(args) => commands::steps(&client, args, output).await,
        Command::Tutorial(args) => commands::tutorial(&client, args, output).await,
        Command::Stream(command) => commands::stream(&client, command, output).await,
        Command::Queue(command) => commands::queue(&client, command, output).await,
        Command::Worker(command) => commands::worker(&client, command, output).await,
        Command::Providers => commands::providers(&client, output).await,
        Command::Usage(args) => commands::usage(&client, args, output).await,
        Command::Spend(args) => commands::spend(&client, args, output).await,
        Command::Key(command) => commands::key(&client, command, output).await,
        Command::Doctor => commands::doctor(&client, &configuration, output).await,
        Command::Fsck(args) => commands::fsck(args, &configuration, output).await,
        Command::Completions { .. } => Ok(Exit::Done),
    }
}
