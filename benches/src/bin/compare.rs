//! Runs Headwall side by side with its peers and prints what each costs: `make bench`.
//!
//! ```text
//! compare [--quick] [--as-built] [--only NAME,..]
//! ```
//!
//! `--quick` measures 3 rounds of 2 seconds instead of 5 of 10. `--as-built` takes the programs in `target/release` as they
//! are. `NAME` is a row (`64b`, `64k`, `1m`, `everything`, `file-1k`, `file-100k`, `file-10m`, `file-tls-1k`,
//! `file-tls-100k`, `file-tls-10m`, `file-gz`, `file-br`, `file-compress`, `limit`, `limit-10k`, `limit-1m`, `storm`, `slow`,
//! `websocket`, `tls`) or a peer (`headwall`, `pingora`, `nginx`, `haproxy`, `caddy`, `envoy`, `traefik`).

use std::io::{self, Write as _};
use std::process::ExitCode;

use headwall_benches::arguments::Arguments;
use headwall_benches::binaries::Binaries;
use headwall_benches::machine::Machine;
use headwall_benches::{http, report, tls, websocket};

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => return complain(&error.to_string()),
    };
    match compare(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => complain(&error.to_string()),
    }
}

/// Whether every budget that was looked at holds.
fn compare(arguments: &Arguments) -> io::Result<bool> {
    let binaries = Binaries::find(arguments)?;
    // After the build, which may use every CPU.
    let machine = Machine::divide()?;
    report::say(&machine.to_string())?;
    let mut budgets = http::run(arguments, &binaries, &machine)?;
    if arguments.websocket {
        budgets.extend(websocket::run(arguments, &binaries, &machine)?);
    }
    if arguments.tls {
        tls::run(arguments, &binaries, &machine)?;
    }
    report::budgets(&budgets)
}

fn complain(error: &str) -> ExitCode {
    // When standard error is closed there is nobody left to tell.
    drop(writeln!(io::stderr(), "error: {error}"));
    ExitCode::from(2)
}
