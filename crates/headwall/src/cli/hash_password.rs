//! `headwall hash-password`: what a config keeps in the place of a password.
//!
//! The password comes from standard input and never from the command line, where every user of the machine sees it.

use std::io::{self, IsTerminal as _, Read as _};

use super::{REFUSED, print, tell};

/// The longest password that is read, in bytes.
const LONGEST: u64 = 4096;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Use bcrypt instead of argon2id, for files that other programs read too
    #[arg(long)]
    bcrypt: bool,
}

/// Reads one line and prints its hash.
pub(super) fn run(args: &Args) -> u8 {
    if io::stdin().is_terminal() {
        tell("Type the password, then Enter and Ctrl-D. It is shown as you type.");
    }
    match hash(args) {
        Ok(hash) => print(&format!("{hash}\n")),
        Err(error) => {
            tell(&format!("error: {error}"));
            REFUSED
        }
    }
}

fn hash(args: &Args) -> Result<String, headwall_core::BoxError> {
    let mut text = Vec::new();
    io::stdin().lock().take(LONGEST + 2).read_to_end(&mut text)?;
    // The end of the line is the terminal's, not the password's.
    let password = text.strip_suffix(b"\n").unwrap_or(&text);
    let password = password.strip_suffix(b"\r").unwrap_or(password);
    match password {
        [] => Err("expected a password on standard input, found nothing".into()),
        long if long.len() as u64 > LONGEST => Err("expected a password of at most 4096 bytes".into()),
        lines if lines.contains(&b'\n') => Err("expected one line, found several".into()),
        password if args.bcrypt => headwall_access::bcrypt(password),
        password => headwall_access::argon2id(password),
    }
}
