//! The process itself: memory, CPU time, open files, start time.
//!
//! The names are those of every Prometheus client library. Read from `/proc/self` when metrics are asked for; on a
//! system without it the family is left out.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, Opts};

/// Linux reports CPU time in these, on every architecture (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;
/// The page size of the architectures this runs on; `statm` counts pages.
const PAGE: f64 = 4096.0;

pub(crate) struct ProcessCollector {
    memory: Gauge,
    cpu: Gauge,
    files: Gauge,
    started: Gauge,
}

impl ProcessCollector {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| Gauge::with_opts(Opts::new(name, help));
        let started = gauge("process_start_time_seconds", "Start time since the Unix epoch in seconds.")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        started.set(now.as_secs_f64());
        Ok(Self {
            memory: gauge("process_resident_memory_bytes", "Resident memory size in bytes.")?,
            cpu: gauge("process_cpu_seconds_total", "User and system CPU time spent in seconds.")?,
            files: gauge("process_open_fds", "Open file descriptors.")?,
            started,
        })
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        [&self.memory, &self.cpu, &self.files, &self.started].into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.started.collect();
        let mut show = |gauge: &Gauge, value: Option<f64>| {
            if let Some(value) = value {
                gauge.set(value);
                families.extend(gauge.collect());
            }
        };
        show(&self.memory, resident_bytes());
        show(&self.cpu, cpu_seconds());
        show(&self.files, open_files());
        families
    }
}

fn resident_bytes() -> Option<f64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split_ascii_whitespace().nth(1)?.parse::<f64>().ok()? * PAGE)
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the command in parentheses and may hold spaces; user and system time are the 12th and
    // 13th after it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let ticks = times.next()?.parse::<f64>().ok()? + times.next()?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

fn open_files() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u32::try_from(count).ok().map(f64::from)
}
