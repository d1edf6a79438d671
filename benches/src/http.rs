//! Plain HTTP: what a proxied request costs, for small and large answers, and with everything on; and what a file costs,
//! over TLS and compressed too.

mod row;

use std::io;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::binaries::Binaries;
use crate::load::Load;
use crate::machine::Machine;
use crate::origin::Origin;
use crate::peer::{Peer, Running, Setup};
use crate::report::{Budget, Table, say};
use crate::rounds::Figure;
use crate::tls::Credentials;
use crate::wrk;

pub use self::row::Row;

/// Headwall with everything on may cost so many times what bare Pingora costs.
const BUDGET: f64 = 1.10;

/// When the hypervisor gives away more than this share of the machine, a round says little.
const TOO_MUCH_STOLEN: f64 = 0.01;

/// A participant of a row, and what its turns gave.
struct Entry {
    label: &'static str,
    running: Running,
    turns: Vec<Turn>,
    resident: u64,
    /// Bytes of an answer's body, as it was when it was looked at.
    body: usize,
}

/// One turn.
struct Turn {
    /// CPU microseconds per request, in the proxy's code and in the kernel.
    user: f64,
    system: f64,
    seen: wrk::Seen,
}

/// Measures the rows and prints a table for each.
///
/// # Errors
///
/// When a proxy, the origin or wrk does not start.
pub fn run(arguments: &Arguments, binaries: &Binaries, machine: &Machine) -> io::Result<Vec<Budget>> {
    let mut budgets = Vec::new();
    for row in arguments.rows.iter().copied() {
        let origin = Origin::start(binaries, machine)?;
        let load = row.load();
        let mut entries = Vec::new();
        let mut start = |label, peer, setup| -> io::Result<()> {
            entries.push(Entry::start(label, peer, setup, &load, binaries, machine, &origin)?);
            Ok(())
        };
        for peer in binaries.peers().filter(|peer| row.takes(*peer)) {
            start(peer.name(), peer, row.setup())?;
        }
        for (label, peer) in [("headwall, no limit", Peer::Headwall), ("nginx, no limit", Peer::Nginx)] {
            if row.is_limited() && binaries.peers().any(|other| other == peer) {
                start(label, peer, Setup::Plain)?;
            }
        }
        // The same program twice shows which differences mean nothing.
        if row.is_forwarded() && binaries.peers().any(|peer| peer == Peer::Pingora && row.takes(peer)) {
            start("pingora again", Peer::Pingora, row.setup())?;
        }
        let direct = take_turns(arguments, machine, (row, &load), &origin, &mut entries)?;
        say(&format!("\n{}\n\n{}", row.title(), table(&entries, direct).text()))?;
        if load.coding.is_some() {
            tell_lengths(&entries)?;
        }
        if row == Row::Everything {
            explain_deviations(&entries)?;
            budgets.extend(budget(&entries));
        }
    }
    Ok(budgets)
}

/// Everybody in turn, so many rounds; gives the rate of the origin without a proxy, where there is one.
fn take_turns(
    arguments: &Arguments,
    machine: &Machine,
    (row, load): (Row, &Load),
    origin: &Origin,
    entries: &mut [Entry],
) -> io::Result<Option<Figure>> {
    for entry in entries.iter() {
        wrk::run(machine, entry.running.address, load, Duration::from_secs(1))?;
    }
    let mut direct = Vec::new();
    for round in 1..=arguments.rounds {
        let (stolen, ticks) = machine.stolen()?;
        if row.is_forwarded() {
            direct.push(wrk::run(machine, origin.address(), load, Duration::from_secs(1))?.rate);
        }
        for entry in entries.iter_mut() {
            entry.turn(machine, load, arguments.round)?;
        }
        let (stolen, ticks) = (machine.stolen()?.0 - stolen, machine.stolen()?.1 - ticks);
        let share = stolen as f64 / ticks.max(1) as f64;
        if share > TOO_MUCH_STOLEN {
            say(&format!("round {round}: {:.1} % of the machine was given to others", share * 100.0))?;
        }
    }
    Ok(row.is_forwarded().then(|| Figure::of(direct)))
}

fn table(entries: &[Entry], direct: Option<Figure>) -> Table {
    let mut table = Table::new(&[
        "",
        "CPU µs/request",
        "(user+system)",
        "× best peer",
        "× bare Pingora",
        "requests/s",
        "p99 µs",
        "RSS MiB",
        "failed",
    ]);
    let best = entries
        .iter()
        .filter(|entry| !matches!(entry.running.peer, Peer::Headwall | Peer::Pingora))
        .filter(|entry| entry.label == entry.running.peer.name())
        .map(|entry| entry.cpu().median)
        .min_by(f64::total_cmp);
    let bare = cost_of(entries, Peer::Pingora);
    let ratio =
        |cost: f64, of: Option<f64>| of.map_or_else(|| "–".to_owned(), |of| format!("{:.2}", cost / of));
    for entry in entries {
        let cpu = entry.cpu();
        table.row([
            entry.label.to_owned(),
            cpu.to_string(),
            format!(
                "{:.1}+{:.1}",
                entry.figure(|turn| turn.user).median,
                entry.figure(|turn| turn.system).median
            ),
            ratio(cpu.median, best),
            ratio(cpu.median, bare),
            format!("{:.0}", entry.figure(|turn| turn.seen.rate).median),
            format!("{:.0}", entry.figure(|turn| turn.seen.p99).median),
            format!("{:.1}", entry.resident as f64 / 1024.0),
            entry.turns.iter().map(|turn| turn.seen.failures).sum::<u64>().to_string(),
        ]);
    }
    if let Some(direct) = direct {
        let mut without = vec!["origin, no proxy".to_owned()];
        without.resize(5, String::new());
        without.push(format!("{:.0}", direct.median));
        table.row(without);
    }
    table
}

/// How far each compresses; who sends less does more work for it, or has a better encoder.
fn tell_lengths(entries: &[Entry]) -> io::Result<()> {
    let lengths: Vec<_> = entries.iter().map(|entry| format!("{} {} B", entry.label, entry.body)).collect();
    say(&format!("A body has: {}", lengths.join(", ")))
}

fn explain_deviations(entries: &[Entry]) -> io::Result<()> {
    say("What is not the same:")?;
    for entry in entries.iter().filter(|entry| entry.label == entry.running.peer.name()) {
        if let Some(deviation) = entry.running.peer.deviation() {
            say(&format!("  {}: {deviation}", entry.label))?;
        }
    }
    Ok(())
}

fn budget(entries: &[Entry]) -> Option<Budget> {
    let measured = cost_of(entries, Peer::Headwall)? / cost_of(entries, Peer::Pingora)?;
    let name = "CPU of a 64 B request with everything on, × bare Pingora".to_owned();
    Some(Budget { name, limit: BUDGET, measured })
}

fn cost_of(entries: &[Entry], peer: Peer) -> Option<f64> {
    entries.iter().find(|entry| entry.running.peer == peer).map(|entry| entry.cpu().median)
}

// === impl Entry ===

impl Entry {
    fn start(
        label: &'static str,
        peer: Peer,
        setup: Setup,
        load: &Load,
        binaries: &Binaries,
        machine: &Machine,
        origin: &Origin,
    ) -> io::Result<Self> {
        let credentials = setup.speaks_tls().then(Credentials::p256);
        let running = peer.start(setup, credentials.as_ref(), binaries, machine, origin.address())?;
        let looked = load.look(running.address, credentials.as_ref());
        let body = looked.map_err(|error| io::Error::other(format!("{label}: {error}")))?;
        Ok(Self { label, running, turns: Vec::new(), resident: 0, body })
    }

    fn turn(&mut self, machine: &Machine, load: &Load, duration: Duration) -> io::Result<()> {
        let before = self.running.process.cpu_time()?;
        let seen = wrk::run(machine, self.running.address, load, duration)?;
        let cpu = self.running.process.cpu_time()? - before;
        if load.length.is_some() && !seen.has_read(self.body) {
            let all = format!("{} answers of {} bytes each", seen.requests, self.body);
            return Err(io::Error::other(format!(
                "{}: {all}, but only {} bytes came",
                self.label, seen.bytes
            )));
        }
        let each = |time: u64| time as f64 / seen.requests.max(1) as f64;
        self.turns.push(Turn { user: each(cpu.user), system: each(cpu.system), seen });
        self.resident = self.running.process.resident()?;
        self.running.empty_logs()
    }

    fn figure(&self, of: impl Fn(&Turn) -> f64) -> Figure {
        Figure::of(self.turns.iter().map(of))
    }

    fn cpu(&self) -> Figure {
        self.figure(|turn| turn.user + turn.system)
    }
}
