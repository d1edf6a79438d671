//! The root of the local authority, for whoever is to trust it.

use std::path::PathBuf;

use headwall_config::Config;
use headwall_core::BoxError;
use headwall_tls::LocalAuthority;

use super::storage::Storage;

/// The root's file, and what it is called among others.
pub(crate) struct LocalRoot {
    pub(crate) path: PathBuf,
    pub(crate) file_name: String,
}

impl LocalRoot {
    /// The root of the authority that a config uses. It is made if there is none.
    pub(crate) fn open(config: Option<&Config>) -> Result<Self, BoxError> {
        let storage = config.map_or_else(Storage::default_place, Storage::of);
        let authority = LocalAuthority::open(&storage.open()?.join("local"), headwall_tls::provider())?;
        Ok(Self { path: authority.root_path().to_owned(), file_name: format!("{}.crt", authority.name()) })
    }
}
