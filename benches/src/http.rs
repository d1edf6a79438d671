//! Plain HTTP: what a proxied request costs, for small and large answers, and with everything on; and what a file costs.

use std::io;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::binaries::Binaries;
use crate::machine::Machine;
use crate::origin::Origin;
use crate::peer::{Peer, Running, Setup};
use crate::report::{Budget, Table, say};
use crate::rounds::Figure;
use crate::wrk;

/// Headwall with everything on may cost so many times what bare Pingora costs.
const BUDGET: f64 = 1.10;

/// When the hypervisor gives away more than this share of the machine, a round says little.
const TOO_MUCH_STOLEN: f64 = 0.01;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// 64 bytes.
    Small,
    /// 64 KiB.
    Medium,
    /// 1 MiB.
    Large,
    /// 64 bytes, with everything on.
    Everything,
    /// A file of 1 KiB.
    SmallFile,
    /// A file of 100 KiB.
    MediumFile,
    /// A file of 10 MiB.
    LargeFile,
    /// 64 bytes, behind a rate limit that lets them pass and has to know one key.
    Limited,
    /// Ten thousand keys.
    LimitedByMany,
    /// A million keys.
    LimitedByMillion,
    /// Everything is refused by a rate limit.
    Storm,
    /// One server of four is slow.
    Slow,
}

/// A participant of a row, and what its turns gave.
struct Entry {
    label: &'static str,
    running: Running,
    turns: Vec<Turn>,
    resident: u64,
}

/// One turn.
struct Turn {
    /// CPU microseconds per request, in the proxy's code and in the kernel.
    user: f64,
    system: f64,
    seen: wrk::Seen,
}

// === impl Row ===

impl Row {
    /// All of them, in order.
    pub const ALL: [Self; 12] = [
        Self::Small,
        Self::Medium,
        Self::Large,
        Self::Everything,
        Self::SmallFile,
        Self::MediumFile,
        Self::LargeFile,
        Self::Limited,
        Self::LimitedByMany,
        Self::LimitedByMillion,
        Self::Storm,
        Self::Slow,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "64b",
            Self::Medium => "64k",
            Self::Large => "1m",
            Self::Everything => "everything",
            Self::SmallFile => "file-1k",
            Self::MediumFile => "file-100k",
            Self::LargeFile => "file-10m",
            Self::Limited => "limit",
            Self::LimitedByMany => "limit-10k",
            Self::LimitedByMillion => "limit-1m",
            Self::Storm => "storm",
            Self::Slow => "slow",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Small => "64 B answers",
            Self::Medium => "64 KiB answers",
            Self::Large => "1 MiB answers",
            Self::Everything => {
                "64 B answers, everything on: routes, metrics, security headers, rate limit, JSON access log"
            }
            Self::SmallFile => "Files of 1 KiB",
            Self::MediumFile => "Files of 100 KiB",
            Self::LargeFile => "Files of 10 MiB",
            Self::Limited => "64 B answers behind a rate limit that lets them pass, one key",
            Self::LimitedByMany => "64 B answers behind a rate limit that lets them pass, 10,000 keys",
            Self::LimitedByMillion => "64 B answers behind a rate limit that lets them pass, 1,000,000 keys",
            Self::Slow => {
                "64 B answers of four servers, the last of which takes 20 ms, by who has the fewest requests"
            }
            Self::Storm => "a storm of 429: a rate limit refuses everything, so everything counts as failed",
        }
    }

    /// What wrk asks for, and how many keys its requests have.
    fn load(self) -> (&'static str, Option<u32>) {
        match self {
            Self::Small | Self::Everything | Self::Slow => ("/64", None),
            Self::Medium => ("/65536", None),
            Self::Large => ("/1048576", None),
            Self::Limited | Self::Storm => ("/64", Some(1)),
            Self::LimitedByMany => ("/64", Some(10_000)),
            Self::LimitedByMillion => ("/64", Some(1_000_000)),
            Self::SmallFile => ("/1024", None),
            Self::MediumFile => ("/102400", None),
            Self::LargeFile => ("/10485760", None),
        }
    }

    fn setup(self) -> Setup {
        match self {
            Self::Small | Self::Medium | Self::Large => Setup::Plain,
            Self::Everything => Setup::Everything,
            Self::SmallFile | Self::MediumFile | Self::LargeFile => Setup::Files,
            Self::Limited | Self::LimitedByMany | Self::LimitedByMillion => Setup::Limited,
            Self::Storm => Setup::Storm,
            Self::Slow => Setup::Slow,
        }
    }

    /// Whether there is an origin behind everybody.
    fn is_forwarded(self) -> bool {
        self.setup() != Setup::Files
    }

    fn is_limited(self) -> bool {
        matches!(self.setup(), Setup::Limited | Setup::Storm)
    }

    fn takes(self, peer: Peer) -> bool {
        match self.setup() {
            Setup::Files => peer.serves_files(),
            // The accounting is nginx's, so nginx is who to compare with.
            Setup::Limited | Setup::Storm => matches!(peer, Peer::Headwall | Peer::Pingora | Peer::Nginx),
            Setup::Slow => matches!(peer, Peer::Headwall | Peer::Nginx | Peer::Haproxy),
            Setup::Plain | Setup::Everything | Setup::WebSocket | Setup::WebSocketTwoWorkers | Setup::Tls => {
                true
            }
        }
    }
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
        let mut entries = Vec::new();
        let mut start = |label, peer, setup| -> io::Result<()> {
            entries.push(Entry::start(label, peer, setup, binaries, machine, &origin)?);
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
        let direct = take_turns(arguments, machine, row, &origin, &mut entries)?;
        say(&format!("\n{}\n\n{}", row.title(), table(&entries, direct).text()))?;
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
    row: Row,
    origin: &Origin,
    entries: &mut [Entry],
) -> io::Result<Option<Figure>> {
    for entry in entries.iter() {
        wrk::run(machine, entry.running.address, row.load(), Duration::from_secs(1))?;
    }
    let mut direct = Vec::new();
    for round in 1..=arguments.rounds {
        let (stolen, ticks) = machine.stolen()?;
        if row.is_forwarded() {
            direct.push(wrk::run(machine, origin.address(), row.load(), Duration::from_secs(1))?.rate);
        }
        for entry in entries.iter_mut() {
            entry.turn(machine, row, arguments.round)?;
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
        binaries: &Binaries,
        machine: &Machine,
        origin: &Origin,
    ) -> io::Result<Self> {
        let running = peer.start(setup, binaries, machine, origin.address())?;
        Ok(Self { label, running, turns: Vec::new(), resident: 0 })
    }

    fn turn(&mut self, machine: &Machine, row: Row, duration: Duration) -> io::Result<()> {
        let before = self.running.process.cpu_time()?;
        let seen = wrk::run(machine, self.running.address, row.load(), duration)?;
        let cpu = self.running.process.cpu_time()? - before;
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
