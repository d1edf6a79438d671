//! The directory in which Headwall keeps what it must not lose.

use std::env;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::PathBuf;

use headwall_config::Config;
use headwall_core::BoxError;

/// Where it is. Nothing is made before something is to be kept.
#[derive(Debug)]
pub(crate) struct Storage(Option<PathBuf>);

impl Storage {
    pub(crate) fn of(config: &Config) -> Self {
        let named = config.storage.clone().filter(|path| !path.as_os_str().is_empty());
        Self(named.or_else(default))
    }

    /// Where it is when no config says so.
    pub(crate) fn default_place() -> Self {
        Self(default())
    }

    /// The directory, made for nobody else to read if there is none.
    pub(crate) fn open(&self) -> Result<PathBuf, BoxError> {
        let path = self.0.clone().ok_or("there is no place to keep certificates; name one with `storage`")?;
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|error| format!("`storage`: {}: {error}", path.display()))?;
        Ok(path)
    }
}

/// The directory that systemd gives to a service, that of root's services, or that of a user's data (XDG).
fn default() -> Option<PathBuf> {
    let from = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(given) = from("STATE_DIRECTORY") {
        // systemd separates several by colons; the first is ours.
        return given.to_string_lossy().split(':').next().map(PathBuf::from);
    }
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        return Some(PathBuf::from("/var/lib/headwall"));
    }
    let data = from("XDG_DATA_HOME").or_else(|| Some(from("HOME")?.join(".local/share")));
    Some(data?.join("headwall"))
}
