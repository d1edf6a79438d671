//! WebSockets: what an echo costs, whether handshakes are lost, and what an idle tunnel holds.
//!
//! The budgets are those of the project: no handshake of 100,000 lost in any way of opening it, CPU per echo within a tenth
//! of nginx's, at most 8 KB for an idle tunnel.

mod client;
mod echo;
mod handshake;
mod idle;

use std::io;

use crate::arguments::Arguments;
use crate::binaries::Binaries;
use crate::machine::Machine;
use crate::origin::Origin;
use crate::report::Budget;

/// The frame that the origin has in the segment of its 101: a text, unmasked as servers send them.
pub const GREETING: &[u8] = b"\x81\x05hello";

/// Measures all three and prints them.
///
/// # Errors
///
/// When a proxy or the origin does not start, or a tunnel does not open where none should be lost.
pub fn run(arguments: &Arguments, binaries: &Binaries, machine: &Machine) -> io::Result<Vec<Budget>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let origin = Origin::start(binaries, machine)?;
    let mut budgets = echo::run(arguments, binaries, machine, &origin, &runtime)?;
    budgets.extend(idle::run(binaries, machine, &origin, &runtime)?);
    budgets.extend(handshake::run(arguments, binaries, machine, &origin, &runtime)?);
    Ok(budgets)
}
