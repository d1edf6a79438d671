//! The command line, the same for the prebuilt server and for one with modules of its own.

mod check;
mod explain;
mod hash_password;
mod run;
mod source;
mod trust;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand as ClapSubcommand};
use clap_complete::Shell;

use crate::Server;

/// Stopped as asked.
pub(crate) const OK: u8 = 0;
/// Could not start, or a check found errors. Starting again will not help.
pub(crate) const REFUSED: u8 = 1;
/// Stopped by a second signal before it had drained.
pub(crate) const FORCED: u8 = 2;
/// Failed while running.
pub(crate) const FAILED: u8 = 3;

/// A command that a program adds to the command line. Its own arguments follow it.
pub struct Subcommand {
    /// Its name.
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    /// Does it. The arguments are those behind the name; the answer is the exit code.
    pub run: fn(&[OsString]) -> u8,
}

impl fmt::Debug for Subcommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subcommand").field(&self.name).finish()
    }
}

/// The front door of self-hosted apps.
#[derive(Parser)]
#[command(name = "headwall", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(ClapSubcommand)]
enum Command {
    /// Serve until a signal says stop
    Run(run::Args),
    /// Read configs and tell everything that is wrong with them
    Check(check::Args),
    /// Tell where a request would go, and why
    Explain(explain::Args),
    /// Hash a password from standard input, for `basic_auth`
    HashPassword(hash_password::Args),
    /// Make this machine trust certificates of `tls: internal`
    Trust(trust::Args),
    /// Make this machine trust them no longer
    Untrust(trust::Args),
    /// Print the JSON Schema of the config, for editors
    Schema,
    /// Print the version
    Version,
    /// Print a completion script for a shell
    Completion {
        /// bash, zsh, fish, elvish or powershell
        shell: Shell,
    },
}

/// Where the config is.
#[derive(clap::Args, Clone, Debug)]
struct ConfigFile {
    /// The config file
    #[arg(short, long, value_name = "FILE", env = "HEADWALL_CONFIG", default_value = "headwall.yaml")]
    config: PathBuf,
}

pub(crate) fn run(server: &Server, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(subcommand) = chosen(server, &args) {
        return ExitCode::from((subcommand.run)(&args[2..]));
    }
    let cli = match command(server)
        .try_get_matches_from(args)
        .and_then(|matches| Cli::from_arg_matches(&matches))
    {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if let Some(mistake) = server.modules().mistakes().first() {
        return refuse(&format!("this program cannot be configured: {mistake}"));
    }
    ExitCode::from(match cli.command {
        Command::Run(args) => run::run(server, &args),
        Command::Check(args) => check::run(server, &args),
        Command::Explain(args) => explain::run(server, &args),
        Command::HashPassword(args) => hash_password::run(&args),
        Command::Trust(args) => trust::trust(server, &args),
        Command::Untrust(args) => trust::untrust(server, &args),
        Command::Schema => {
            let schema = headwall_config::schema(server.modules().registry());
            print(&format!("{schema:#}\n"))
        }
        Command::Version => print(&format!("headwall {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(server), "headwall", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    })
}

/// Prints help where it was asked for, and what is wrong with the arguments otherwise. Clap's own exit code for that is
/// 2, which here would say that a second signal had ended the server.
fn usage(error: &clap::Error) -> ExitCode {
    // When there is nobody to print to, there is nobody to tell of it.
    drop(error.print());
    ExitCode::from(if error.use_stderr() { REFUSED } else { OK })
}

fn chosen<'a>(server: &'a Server, args: &[OsString]) -> Option<&'a Subcommand> {
    let name = args.get(1)?;
    server.subcommands.iter().find(|subcommand| name == subcommand.name)
}

/// The command line with the commands that the program has added, for help and completion.
fn command(server: &Server) -> clap::Command {
    let added = server.subcommands.iter().map(|added| clap::Command::new(added.name).about(added.about));
    Cli::command().subcommands(added)
}

/// Prints to standard output. A reader that has gone away (`| head`) is no failure.
fn print(text: &str) -> u8 {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Ok(()) => OK,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => OK,
        Err(_) => FAILED,
    }
}

/// Tells the operator something on standard error.
fn tell(text: &str) {
    // When standard error is closed there is nobody left to tell.
    writeln!(io::stderr(), "{}", text.trim_end()).unwrap_or_default();
}

fn refuse(why: &str) -> ExitCode {
    tell(&format!("error: {why}"));
    ExitCode::from(REFUSED)
}
