//! The thread that writes log lines.
//!
//! Workers push into a bounded queue without a lock and without a system call: they wake the thread only when it
//! sleeps, and after waking it collects lines for a moment, so that a busy server wakes it fifty times a second
//! instead of once a line.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use prometheus::IntCounter;

use crate::Metrics;

/// Lines that may wait to be written.
const QUEUE: usize = 16_384;
/// Buffers of written lines that are kept for the next ones: what one thread allocates and another frees is dear.
const SPARE: usize = 1_024;
/// Most lines are shorter.
const LINE: usize = 512;
/// How long the thread collects before it writes.
const COLLECT: Duration = Duration::from_millis(20);

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to, and opened again on demand so that logrotate can move it away.
    File(PathBuf),
}

/// A queue and the thread that empties it. Dropping it writes what is left.
#[derive(Debug)]
pub struct LogWriter {
    queue: Arc<Queue>,
    target: LogTarget,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Queue {
    lines: ArrayQueue<Vec<u8>>,
    spare: ArrayQueue<Vec<u8>>,
    asleep: AtomicBool,
    reopen: AtomicBool,
    stop: AtomicBool,
    dropped: IntCounter,
}

// === impl LogWriter ===

impl LogWriter {
    /// Opens the target and starts the thread.
    pub fn open(target: LogTarget, metrics: &Metrics) -> io::Result<Self> {
        let out = target.open()?;
        let queue = Arc::new(Queue {
            lines: ArrayQueue::new(QUEUE),
            spare: ArrayQueue::new(SPARE),
            asleep: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            dropped: metrics.log_dropped(),
        });
        let work = {
            let (queue, target) = (queue.clone(), target.clone());
            move || write_lines(&queue, &target, out)
        };
        let thread = thread::Builder::new().name("access-log".into()).spawn(work)?;
        Ok(Self { queue, target, thread: Some(thread) })
    }

    /// Where the lines go.
    pub fn target(&self) -> &LogTarget {
        &self.target
    }

    /// Has a file opened again under its name, after logrotate has moved the old one away.
    pub fn reopen(&self) {
        self.queue.reopen.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// An empty buffer for a line.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.queue.spare.pop().unwrap_or_else(|| Vec::with_capacity(LINE))
    }

    /// Queues a line, or counts it as dropped when the queue is full.
    pub(super) fn push(&self, line: Vec<u8>) {
        if self.queue.lines.push(line).is_err() {
            self.queue.dropped.inc();
        }
        if self.queue.asleep.load(Ordering::SeqCst) && self.queue.asleep.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.queue.stop.store(true, Ordering::SeqCst);
        self.wake();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the access log's thread has panicked");
        }
    }
}

// === impl LogTarget ===

impl LogTarget {
    fn open(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(match self {
            Self::Stdout => Box::new(io::stdout()),
            Self::Stderr => Box::new(io::stderr()),
            Self::File(path) => Box::new(append(path)?),
        })
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn write_lines(queue: &Queue, target: &LogTarget, out: Box<dyn Write + Send>) {
    let mut out = BufWriter::with_capacity(64 * 1024, out);
    let mut failing = false;
    loop {
        if queue.reopen.swap(false, Ordering::SeqCst) {
            match out.flush().and_then(|()| target.open()) {
                Ok(file) => out = BufWriter::with_capacity(64 * 1024, file),
                Err(error) => log::error!("the access log {target:?} cannot be opened again: {error}"),
            }
        }
        let stopping = queue.stop.load(Ordering::SeqCst);
        let result = write_queued(queue, &mut out);
        if let Err(error) = &result
            && !failing
        {
            log::error!("the access log {target:?} cannot be written: {error}; lines are being dropped");
        }
        failing = result.is_err();
        if stopping {
            return;
        }
        queue.asleep.store(true, Ordering::SeqCst);
        // A line that came before `asleep` was set has woken nobody: look once more before going to sleep.
        if queue.lines.is_empty()
            && !queue.stop.load(Ordering::SeqCst)
            && !queue.reopen.load(Ordering::SeqCst)
        {
            thread::park();
        }
        queue.asleep.store(false, Ordering::SeqCst);
        if !queue.stop.load(Ordering::SeqCst) {
            thread::park_timeout(COLLECT);
        }
    }
}

/// Writes what is queued. On an error the rest of the queue counts as dropped, so that it cannot grow stale.
fn write_queued(queue: &Queue, out: &mut BufWriter<Box<dyn Write + Send>>) -> io::Result<()> {
    let mut result = Ok(());
    for _ in 0..QUEUE {
        let Some(mut line) = queue.lines.pop() else { break };
        if result.is_ok() {
            result = out.write_all(&line);
        }
        if result.is_err() {
            queue.dropped.inc();
        }
        line.clear();
        if line.capacity() <= 4 * LINE {
            // One too many is simply freed.
            drop(queue.spare.push(line));
        }
    }
    result.and_then(|()| out.flush())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &PathBuf) -> Vec<String> {
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_was_pushed_is_written_before_the_writer_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let writer = LogWriter::open(LogTarget::File(path.clone()), &Metrics::new().unwrap()).unwrap();
        for n in 0..5_000 {
            writer.push(format!("{n}\n").into_bytes());
        }
        drop(writer);
        let expected: Vec<String> = (0..5_000).map(|n| n.to_string()).collect();
        assert_eq!(lines(&path), expected);
    }

    #[test]
    fn a_full_queue_drops_lines_and_counts_them() {
        // Nobody reads from the pipe, so the thread blocks in its first write and the queue fills up.
        let (reader, pipe) = io::pipe().unwrap();
        let metrics = Metrics::new().unwrap();
        let mut writer = LogWriter::open(LogTarget::Stderr, &metrics).unwrap();
        // Replace the thread by one that writes into the pipe.
        writer.queue.stop.store(true, Ordering::SeqCst);
        writer.wake();
        writer.thread.take().unwrap().join().unwrap();
        writer.queue.stop.store(false, Ordering::SeqCst);
        let queue = writer.queue.clone();
        writer.thread = Some(thread::spawn(move || write_lines(&queue, &LogTarget::Stderr, Box::new(pipe))));

        let line = vec![b'x'; 1024];
        let pushed = 3 * QUEUE;
        for _ in 0..pushed {
            writer.push(line.clone());
        }
        assert!(metrics.log_dropped().get() > 0, "more was pushed than queue and pipe can hold");
        drop(reader);
        drop(writer);
    }

    #[test]
    fn a_moved_file_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
        let writer = LogWriter::open(LogTarget::File(path.clone()), &Metrics::new().unwrap()).unwrap();
        std::fs::rename(&path, &moved).unwrap();
        writer.reopen();
        while !path.exists() {
            thread::yield_now();
        }
        writer.push(b"after\n".to_vec());
        drop(writer);
        assert_eq!(lines(&path), ["after"]);
    }
}
