//! `headwall check`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::source::{Unreadable, read, rendered};
use super::{OK, REFUSED, print, tell};
use crate::Server;
use crate::assemble::{Foundation, assemble};
use crate::tls::Purpose;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print each config with every default visible
    #[arg(long)]
    expanded: bool,
    /// Print what was found as JSON, for machines
    #[arg(long, conflicts_with = "expanded")]
    json: bool,
}

pub(super) fn run(server: &Server, args: &Args) -> u8 {
    let mut found = Vec::new();
    let mut exit = OK;
    for file in &args.files {
        match check(server, file, args) {
            Ok(warnings) => found.push(json!({ "file": file, "ok": true, "diagnostics": warnings })),
            Err(errors) => {
                exit = REFUSED;
                found.push(json!({ "file": file, "ok": false, "diagnostics": errors }));
            }
        }
    }
    if args.json {
        print(&format!("{:#}\n", Value::Array(found)));
    }
    exit
}

/// Checks one file; both answers are diagnostics.
fn check(server: &Server, file: &Path, args: &Args) -> Result<Value, Value> {
    let config = read(server, file).map_err(|unreadable| {
        if !args.json {
            tell(&unreadable.to_string());
        }
        match unreadable {
            Unreadable::File(why) => json!([{ "severity": "error", "code": "file", "message": why }]),
            Unreadable::Config(report) => report.to_json(),
        }
    })?;
    // Modules are built too, since some mistakes only show then. Nothing is started by it.
    let foundation =
        Foundation::new().map_err(|error| json!([{ "severity": "error", "message": error.to_string() }]))?;
    if let Err(reports) = assemble(&config, server.modules(), &foundation, Purpose::Check, None) {
        if !args.json {
            reports.iter().for_each(|report| tell(&rendered(report)));
        }
        return Err(reports.iter().map(headwall_config::Report::to_json).collect());
    }
    let warnings = config.warnings();
    if !args.json {
        if !warnings.is_empty() {
            tell(&rendered(&warnings));
        }
        if args.expanded {
            print(&config.expanded());
        } else {
            tell(&format!("{} is fine", file.display()));
        }
    }
    Ok(warnings.to_json())
}
