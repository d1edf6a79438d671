//! A directory and everything below it, and nothing else.
//!
//! The kernel sees to it that a path does not leave the root while it is resolved, links included (`openat2` with
//! `RESOLVE_BENEATH`): a check before opening could be talked past by whoever exchanges a link in between. A kernel without
//! `openat2`, or a sandbox that forbids it, gets a walk from directory to directory that follows no link at all.
//!
//! The root itself is opened for each look-up, links followed: a link that is flipped to the next release is seen.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat, openat2};
use rustix::io::Errno;

/// How often a look-up is repeated that a rename has disturbed.
const TRIES: u32 = 8;
/// Not blocking, because a pipe would wait for its writer.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The root of what is served.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    /// Whether links are followed as long as they stay below the root, which only the kernel can promise.
    by_kernel: bool,
}

/// A root that nothing can be served from.
#[derive(Debug, thiserror::Error)]
#[error("`root` has to be a directory that can be read; {}: {source}", root.display())]
pub(crate) struct InvalidRoot {
    root: PathBuf,
    source: io::Error,
}

/// Something below the root that was opened.
#[derive(Debug)]
pub(crate) enum Opened {
    File(OwnedFd, Stat),
    Directory(OwnedFd),
}

/// Why there is nothing to serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closed {
    /// There is no such thing, or nothing that is served: a pipe, a link that leaves the root.
    #[error("there is no such file")]
    NotFound,
    /// It is there, and may not be read.
    #[error("the file may not be read")]
    Forbidden,
    /// The system has failed.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

// === impl Tree ===

impl Tree {
    /// A directory that can be read now.
    pub(crate) fn new(root: &Path) -> Result<Self, InvalidRoot> {
        let usable = || -> io::Result<bool> {
            std::fs::read_dir(root)?;
            let root = open(root, DIRECTORY, Mode::empty())?;
            match openat2(&root, ".", DIRECTORY, Mode::empty(), ResolveFlags::BENEATH) {
                Ok(_) => Ok(true),
                Err(Errno::NOSYS | Errno::PERM) => Ok(false),
                Err(error) => Err(error.into()),
            }
        };
        match usable() {
            Ok(by_kernel) => Ok(Self { root: root.to_owned(), by_kernel }),
            Err(source) => Err(InvalidRoot { root: root.to_owned(), source }),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens the root, for look-ups that belong together.
    pub(crate) fn enter(&self) -> Result<OwnedFd, Closed> {
        open(&self.root, DIRECTORY, Mode::empty()).map_err(Closed::from)
    }

    /// Opens a file or a directory below the root. An empty path is the root.
    pub(crate) fn open(&self, root: &OwnedFd, path: &[u8]) -> Result<Opened, Closed> {
        let path = if path.is_empty() { b"." } else { path };
        let fd = if self.by_kernel { beneath(root, path) } else { walk(root, path) }?;
        let stat = fstat(&fd)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind.is_file() {
            Ok(Opened::File(fd, stat))
        } else if kind.is_dir() {
            Ok(Opened::Directory(fd))
        } else {
            Err(Closed::NotFound)
        }
    }
}

fn beneath(root: &OwnedFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut tries = TRIES;
    loop {
        tries -= 1;
        match openat2(root, OsStr::from_bytes(path), FILE, Mode::empty(), resolve) {
            // Something was renamed meanwhile, and the kernel cannot tell whether the path has left the root.
            Err(Errno::AGAIN) if tries > 0 => {}
            opened => return opened,
        }
    }
}

/// From directory to directory. Links are refused, since nothing tells where they would lead.
fn walk(root: &OwnedFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let mut names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).peekable();
    let wants_directory = path.ends_with(b"/");
    let mut held: Option<OwnedFd> = None;
    while let Some(name) = names.next() {
        let parent = held.as_ref().map_or(root.as_fd(), AsFd::as_fd);
        let is_last = names.peek().is_none();
        let flags = if is_last { FILE } else { DIRECTORY };
        let only = if is_last && wants_directory { OFlags::DIRECTORY } else { OFlags::empty() };
        held = Some(openat(parent, OsStr::from_bytes(name), flags | only | OFlags::NOFOLLOW, Mode::empty())?);
    }
    match held {
        Some(fd) => Ok(fd),
        None => openat(root, ".", FILE, Mode::empty()),
    }
}

// === impl Closed ===

impl From<Errno> for Closed {
    fn from(errno: Errno) -> Self {
        match errno {
            // `XDEV` is the kernel's word for a path that would leave the root, `NXIO` that for a socket.
            Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP | Errno::XDEV | Errno::NXIO => {
                Self::NotFound
            }
            Errno::ACCESS | Errno::PERM => Self::Forbidden,
            errno => Self::Failed(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::CWD;
    use std::os::unix::fs::symlink;

    /// Opened by the kernel, and by the walk.
    fn both(dir: &Path) -> [Tree; 2] {
        let tree = Tree::new(dir).unwrap();
        assert!(tree.by_kernel, "this kernel has openat2");
        [tree, Tree { root: dir.to_owned(), by_kernel: false }]
    }

    fn word(tree: &Tree, path: &str) -> &'static str {
        match tree.open(&tree.enter().unwrap(), path.as_bytes()) {
            Ok(Opened::File(..)) => "file",
            Ok(Opened::Directory(_)) => "directory",
            Err(Closed::NotFound) => "nothing",
            Err(Closed::Forbidden) => "forbidden",
            Err(Closed::Failed(_)) => "failed",
        }
    }

    #[test]
    fn nothing_above_the_root_can_be_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("secret"), "x").unwrap();
        std::fs::write(root.join("a/file"), "x").unwrap();
        symlink("file", root.join("a/inside")).unwrap();
        symlink("../../outside", root.join("a/out")).unwrap();
        symlink(&outside, root.join("absolute")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        rustix::fs::mknodat(CWD, root.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
        let long = "x".repeat(300);
        let rows = [
            ("", "directory", "directory", "the root"),
            ("a", "directory", "directory", "a directory"),
            ("a/", "directory", "directory", "with a slash"),
            ("a/file", "file", "file", "a file"),
            ("a/file/", "nothing", "nothing", "a file is no directory"),
            ("a/file/x", "nothing", "nothing", "nothing is below a file"),
            ("a/inside", "file", "nothing", "a link that stays; the walk follows none"),
            ("a/out/secret", "nothing", "nothing", "a link that leaves"),
            ("absolute/secret", "nothing", "nothing", "an absolute link"),
            ("loop", "nothing", "nothing", "a link to itself"),
            ("pipe", "nothing", "nothing", "a pipe, without waiting for its writer"),
            ("missing", "nothing", "nothing", "nothing"),
            (&long, "nothing", "nothing", "longer than any name"),
        ];
        let [kernel, walk] = both(&root);
        for (path, by_kernel, by_walk, row) in rows {
            assert_eq!(word(&kernel, path), by_kernel, "by the kernel: {row}: {path}");
            assert_eq!(word(&walk, path), by_walk, "by the walk: {row}: {path}");
        }
        assert_eq!(word(&kernel, "../outside/secret"), "nothing", "even if nobody had looked at the path");
    }

    #[test]
    fn a_link_to_the_root_is_followed_anew_each_time() {
        let dir = tempfile::tempdir().unwrap();
        for release in ["one", "two"] {
            std::fs::create_dir(dir.path().join(release)).unwrap();
        }
        std::fs::write(dir.path().join("two/file"), "x").unwrap();
        let current = dir.path().join("current");
        symlink("one", &current).unwrap();
        let tree = Tree::new(&current).unwrap();
        assert_eq!(word(&tree, "file"), "nothing");
        std::fs::remove_file(&current).unwrap();
        symlink("two", &current).unwrap();
        assert_eq!(word(&tree, "file"), "file");
    }

    #[test]
    fn a_root_is_a_directory_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        for root in [file, dir.path().join("missing")] {
            let error = Tree::new(&root).unwrap_err().to_string();
            assert!(error.starts_with("`root` has to be a directory that can be read; /"), "{error}");
        }
    }
}
