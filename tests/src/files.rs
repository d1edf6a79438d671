//! Static files and single-page apps: what is served, to whom, and what never is.

mod beside_nginx;
pub(crate) mod browser;
mod changes;
mod serving;
mod settings;
mod spa;
mod traversal;

use std::path::{Path, PathBuf};

use headwall_testkit::{Client, Gateway};
use tempfile::TempDir;

/// A route with files of the test's.
struct Site {
    gateway: Gateway,
    dir: TempDir,
}

impl Site {
    /// A route with this service, in whose `{root}` are the files that `fill` has written. What is beside the root is for
    /// nobody.
    async fn with(service: &str, fill: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        fill(&root);
        let service = service.replace("{root}", &root.display().to_string());
        let route = format!("{{ name: route, {service} }}");
        let filters = "[{ security_headers: {} }]";
        let listeners = "listeners: [{ address: \"127.0.0.1:0\", http2: true }]";
        let config = format!("{listeners}\nsites: [{{ name: site, filters: {filters}, routes: [{route}] }}]");
        Self { gateway: Gateway::start(&config).await, dir }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn client(&self) -> Client {
        self.gateway.client()
    }
}

/// Writes files, and the directories that they are in.
fn write(root: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}
