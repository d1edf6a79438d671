//! The bytes of a file on their way to a client.
//!
//! A file is read in pieces. What the kernel has in memory is copied at once. What has to come from the disk is read where
//! waiting harms nobody, and one piece ahead: while one is being sent the next is read, so two are in memory however slow the
//! client is. After each piece the file is asked whether it is still the version whose length was announced. If it is not,
//! the reply is broken off, because half of one version and half of another is no file at all.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use headwall_core::BoxError;
use headwall_core::semantics::Part;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::finder::stamp_of;
use crate::stamp::Stamp;

/// How much is read at once.
pub(crate) const PIECE: u64 = 128 << 10;

/// An open file, of one version.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    file: Arc<OwnedFd>,
    stamp: Stamp,
}

/// Why a file cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// Somebody has written into it, or cut it.
    #[error("the file was changed while it was being sent")]
    Changed,
    /// The disk has failed.
    #[error("the file could not be read: {0}")]
    Failed(#[from] io::Error),
}

/// A body made of parts of a file, and of text between them.
#[derive(Debug)]
pub(crate) struct FileBody {
    source: Source,
    parts: VecDeque<Part>,
    reading: Option<JoinHandle<Result<Bytes, Broken>>>,
    /// For the log.
    path: String,
}

// === impl Source ===

impl Source {
    pub(crate) fn new(file: Arc<OwnedFd>, stamp: Stamp) -> Self {
        Self { file, stamp }
    }

    /// Reads all of a part, and makes sure that it is one of the version that was opened.
    pub(crate) fn read(&self, start: u64, length: u64) -> Result<Bytes, Broken> {
        let mut piece = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        while (piece.len() as u64) < length {
            let place = start + piece.len() as u64;
            match pread(&self.file, spare_capacity(&mut piece), place) {
                Ok(0) => return Err(Broken::Changed),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Broken::Failed(errno.into())),
            }
        }
        self.confirm(piece)
    }

    /// Reads all of a part if that needs no disk. `None` where it does, where the file system cannot tell, and where anything
    /// is wrong: what that is, is found out by reading in earnest.
    fn read_now(&self, start: u64, length: u64) -> Option<Result<Bytes, Broken>> {
        let mut piece = vec![0; usize::try_from(length).ok()?];
        let mut filled = 0;
        while filled < piece.len() {
            let rest = &mut [IoSliceMut::new(&mut piece[filled..])];
            match preadv2(&self.file, rest, start + filled as u64, ReadWriteFlags::NOWAIT) {
                Ok(read @ 1..) => filled += read,
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => return None,
            }
        }
        Some(self.confirm(piece))
    }

    /// Asked behind the reading: whoever writes changes the time first.
    fn confirm(&self, piece: Vec<u8>) -> Result<Bytes, Broken> {
        if stamp_of(&self.file)? == self.stamp { Ok(piece.into()) } else { Err(Broken::Changed) }
    }
}

// === impl FileBody ===

impl FileBody {
    pub(crate) fn new(source: Source, parts: impl IntoIterator<Item = Part>, path: &[u8]) -> Self {
        let path = String::from_utf8_lossy(path).into_owned();
        Self { source, parts: parts.into_iter().collect(), reading: None, path }
    }

    /// Where the next piece of the file is, if the next part is one.
    fn next_piece(&mut self) -> Option<(u64, u64)> {
        let Some(Part::Span(span)) = self.parts.front_mut() else { return None };
        let (start, length) = (span.start, span.length().min(PIECE));
        span.start += length;
        if span.length() == 0 {
            self.parts.pop_front();
        }
        Some((start, length))
    }

    /// Has a piece read where waiting harms nobody.
    fn begin(&mut self, (start, length): (u64, u64)) {
        let source = self.source.clone();
        self.reading = Some(spawn_blocking(move || source.read(start, length)));
    }

    /// Nothing follows an error.
    fn tell(&mut self, read: Result<Bytes, Broken>) -> Result<Bytes, BoxError> {
        read.map_err(|broken| {
            log::error!("{}: {broken}", self.path);
            self.parts.clear();
            broken.into()
        })
    }
}

impl Stream for FileBody {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.reading.is_none() {
            if let Some(piece) = self.next_piece() {
                if let Some(read) = self.source.read_now(piece.0, piece.1) {
                    return Poll::Ready(Some(self.tell(read)));
                }
                self.begin(piece);
            } else if let Some(Part::Text(text)) = self.parts.pop_front() {
                return Poll::Ready(Some(Ok(text.into())));
            }
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let piece = read.map_err(BoxError::from).and_then(|read| self.tell(read));
        // Where one piece was on the disk the next one is too.
        if piece.is_ok()
            && let Some(next) = self.next_piece()
        {
            self.begin(next);
        }
        Poll::Ready(Some(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use headwall_core::semantics::Span;
    use std::fs::OpenOptions;
    use std::io::Write;

    fn open(path: &std::path::Path) -> Source {
        let file = OwnedFd::from(std::fs::File::open(path).unwrap());
        let stamp = stamp_of(&file).unwrap();
        Source::new(Arc::new(file), stamp)
    }

    /// Where the bytes of a file are, as far as the file system can tell the two apart.
    const PLACES: [Place; 2] = [Place::Memory, Place::Disk];

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Place {
        Memory,
        Disk,
    }

    /// A file of three pieces and a little.
    fn large(place: Place) -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large");
        let content: Vec<u8> = (0..3 * PIECE + 7).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        if place == Place::Disk {
            let file = std::fs::File::open(&path).unwrap();
            file.sync_all().unwrap();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        }
        (dir, path, content)
    }

    async fn sent(body: FileBody) -> Result<Vec<u8>, BoxError> {
        let mut sent = Vec::new();
        let mut body = body;
        while let Some(piece) = body.next().await {
            sent.extend_from_slice(&piece?);
        }
        Ok(sent)
    }

    #[tokio::test]
    async fn parts_come_in_order() {
        let text = |text: &'static str| Part::Text(text.to_owned());
        let span = |start, end| Part::Span(Span { start, end });
        let parts = || [text("<"), span(1, 3), text("|"), text("|"), span(PIECE - 1, PIECE + 1), text(">")];
        for place in PLACES {
            let (_dir, path, content) = large(place);
            let whole = FileBody::new(open(&path), [span(0, content.len() as u64)], b"large");
            assert!(sent(whole).await.unwrap() == content, "{place:?}");
            let (_dir, path, content) = large(place);
            let cut = PIECE as usize;
            let expected = [b"<", &content[1..3], b"||", &content[cut - 1..cut + 1], b">"].concat();
            let body = FileBody::new(open(&path), parts(), b"large");
            assert_eq!(sent(body).await.unwrap(), expected, "{place:?}");
        }
    }

    #[tokio::test]
    async fn a_version_is_never_mixed_with_the_next() {
        type Change = fn(&std::path::Path);
        let rows: [(&str, Change); 3] = [
            ("cut", |path| OpenOptions::new().write(true).open(path).unwrap().set_len(PIECE + 1).unwrap()),
            ("overwritten", |path| {
                OpenOptions::new().write(true).open(path).unwrap().write_all(b"another").unwrap();
            }),
            ("appended to", |path| {
                OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
            }),
        ];
        for (place, (row, change)) in
            PLACES.iter().flat_map(|place| rows.iter().map(move |row| (*place, row)))
        {
            let (_dir, path, content) = large(place);
            let mut body = FileBody::new(
                open(&path),
                [Part::Span(Span { start: 0, end: content.len() as u64 })],
                b"large",
            );
            assert!(
                body.next().await.unwrap().unwrap() == content[..PIECE as usize],
                "{row}, {place:?}: the first piece"
            );
            change(&path);
            // One piece may have been read ahead, before the change.
            let rest = sent(body).await.unwrap_err().to_string();
            assert!(rest.contains("was changed"), "{row}, {place:?}: {rest}");
        }
    }

    #[tokio::test]
    async fn a_disk_that_fails_is_told_from_a_file_that_changes() {
        let dir = tempfile::tempdir().unwrap();
        // A directory can be opened like a file, and cannot be read like one.
        let mut body = FileBody::new(open(dir.path()), [Part::Span(Span { start: 0, end: 9 })], b"dir");
        let error = body.next().await.unwrap().unwrap_err().to_string();
        assert!(error.starts_with("the file could not be read: "), "{error}");
        assert!(body.next().await.is_none(), "nothing more comes");
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_is_sent_as_it_was() {
        let (dir, path, content) = large(Place::Memory);
        let mut body =
            FileBody::new(open(&path), [Part::Span(Span { start: 0, end: content.len() as u64 })], b"large");
        let first = body.next().await.unwrap().unwrap();
        std::fs::write(dir.path().join("next"), "another").unwrap();
        std::fs::rename(dir.path().join("next"), &path).unwrap();
        assert!([first.to_vec(), sent(body).await.unwrap()].concat() == content);
    }
}
