//! `headwall trust` and `headwall untrust`: makes this machine trust the local authority, or no longer.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::source::read;
use super::{ConfigFile, OK, REFUSED, tell};
use crate::Server;
use crate::tls::LocalRoot;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// Put the root into this directory and run nothing, instead of installing it
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

/// A way in which systems keep the roots that they trust.
struct Store {
    /// Where roots are put.
    anchors: &'static str,
    /// What takes them up.
    update: &'static [&'static str],
}

/// Debian and Alpine, Fedora, Arch, openSUSE.
const STORES: [Store; 4] = [
    Store { anchors: "/usr/local/share/ca-certificates", update: &["update-ca-certificates"] },
    Store { anchors: "/etc/pki/ca-trust/source/anchors", update: &["update-ca-trust", "extract"] },
    Store { anchors: "/etc/ca-certificates/trust-source/anchors", update: &["update-ca-trust"] },
    Store { anchors: "/etc/pki/trust/anchors", update: &["update-ca-certificates"] },
];

/// Makes the machine trust the root, which is made if there is none yet.
pub(super) fn trust(server: &Server, args: &Args) -> u8 {
    done(with_root(server, args, |root, store| {
        let installed = store.dir.join(&root.file_name);
        fs::copy(&root.path, &installed).map_err(|error| named(&installed, &error))?;
        store.update()?;
        Ok(match store.update {
            [] => format!("{} is written", installed.display()),
            _ => format!(
                "this machine trusts {}; browsers with a store of their own, such as Firefox, have to be told apart",
                root.file_name
            ),
        })
    }))
}

/// Makes the machine trust it no longer. The root itself stays where it is kept.
pub(super) fn untrust(server: &Server, args: &Args) -> u8 {
    done(with_root(server, args, |root, store| {
        let installed = store.dir.join(&root.file_name);
        match fs::remove_file(&installed) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(format!("{} was not there", installed.display()));
            }
            Err(error) => return Err(named(&installed, &error)),
        }
        store.update()?;
        Ok(match store.update {
            [] => format!("{} is removed", installed.display()),
            _ => format!("this machine does not trust {} any more", root.file_name),
        })
    }))
}

/// Where the root goes, and what is to be run then.
struct Target<'a> {
    dir: &'a Path,
    update: &'a [&'a str],
}

impl Target<'_> {
    fn update(&self) -> Result<(), String> {
        let Some((program, args)) = self.update.split_first() else { return Ok(()) };
        let status = Command::new(program).args(args).stdout(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{program} has failed: {status}")),
            Err(error) => Err(format!("{program}: {error}")),
        }
    }
}

fn with_root(
    server: &Server,
    args: &Args,
    act: impl FnOnce(&LocalRoot, Target<'_>) -> Result<String, String>,
) -> Result<String, String> {
    // Without a config the authority is where it is by default.
    let config = if args.file.config.exists() {
        Some(read(server, &args.file.config).map_err(|unreadable| unreadable.to_string())?)
    } else {
        None
    };
    let root = LocalRoot::open(config.as_ref()).map_err(|error| format!("error: {error}"))?;
    if let Some(dir) = &args.into {
        return act(&root, Target { dir, update: &[] });
    }
    let store = STORES.iter().find(|store| Path::new(store.anchors).is_dir());
    let store = store.ok_or_else(|| {
        format!(
            "error: this system keeps its roots where Headwall does not know; install {}",
            root.path.display()
        )
    })?;
    act(&root, Target { dir: Path::new(store.anchors), update: store.update })
}

fn named(path: &Path, error: &io::Error) -> String {
    let hint = if error.kind() == io::ErrorKind::PermissionDenied { "; try it as root" } else { "" };
    format!("error: {}: {error}{hint}", path.display())
}

fn done(result: Result<String, String>) -> u8 {
    let (text, exit) = match result {
        Ok(text) => (text, OK),
        Err(text) => (text, REFUSED),
    };
    tell(&text);
    exit
}
