//! From the file as written to the configuration as true: the only bridge between the two.
//!
//! Everything here goes on after an error, so that one run reports them all, and stays silent about parts that
//! are damaged already, so that no error is reported twice in different words.

mod edge;
mod matching;
mod name;
mod routes;
mod sites;
mod slots;
mod tls;

use crate::config::{Listener, Site, Upstream};
use crate::document::{Document, Value};
use crate::file::File;
use crate::registry::Registry;
use crate::report::Code;
use crate::typed::Typing;

/// The file, and what its listeners, sites and upstreams have become.
type Resolved = (File, Vec<Listener>, Vec<Site>, Vec<Upstream>);

/// Reads the whole file. What it returns is true only if `typing` has no errors.
pub(crate) fn file(typing: &mut Typing<'_>, registry: &Registry) -> Option<Resolved> {
    let root = Document::ROOT;
    if let Value::Scalar(scalar) = &typing.document().node(root).value
        && scalar.text.is_empty()
    {
        let help = "a configuration needs at least `sites`".to_owned();
        typing.error(root, Code::EmptyFile, "the file is empty".to_owned(), Some(help));
        return None;
    }
    let file: File = typing.read(root)?;
    typing.check_bounds(root, &file);
    let upstreams = slots::upstreams(typing, registry, &file.upstreams.0);
    let sites = sites::sites(typing, registry, &file.sites);
    let listeners = edge::listeners(typing, &file, &sites);
    slots::warn_of_unused(typing, &file.upstreams.0);
    Some((file, listeners, sites, upstreams))
}
