//! A program with a module of its own, as README.md shows it.
#![expect(dead_code, reason = "it is there to be compiled")]

use super::signature::Signature;

fn main() -> std::process::ExitCode {
    headwall::Server::new().filter::<Signature>("signature").run()
}
