//! Listeners that cannot exist side by side.

use crate::document::Document;
use crate::file::{File, ListenAddress};
use crate::report::Code;
use crate::typed::Typing;

pub(super) fn check_listeners(typing: &mut Typing<'_>, file: &File) {
    let document = typing.document();
    for (index, listener) in file.listeners.iter().enumerate() {
        let address = &listener.value.address;
        let earlier = file.listeners.iter().take(index);
        let clash =
            earlier.map(|earlier| &earlier.value.address).find(|earlier| address.clashes_with(earlier));
        if let Some(earlier) = clash {
            let at = document.child(listener.id, "address").unwrap_or(listener.id);
            typing.error(at, Code::DuplicateListener, twice(address, earlier, "another listener"), None);
        }
    }
    let Some(admin) = file.admin.listen_address() else {
        return;
    };
    let clash = file.listeners.iter().find(|listener| listener.value.address.clashes_with(admin));
    if let Some(listener) = clash {
        let written =
            document.child(Document::ROOT, "admin").and_then(|admin| document.child(admin, "address"));
        let at = written.or_else(|| document.child(listener.id, "address")).unwrap_or(listener.id);
        let message = twice(admin, &listener.value.address, "a listener");
        let help =
            "the admin page needs an address of its own; `admin: { enabled: false }` turns it off".to_owned();
        typing.error(at, Code::DuplicateListener, message, Some(help));
    }
}

fn twice(address: &ListenAddress, other: &ListenAddress, who: &str) -> String {
    if address == other {
        format!("{who} already has the address `{address}`")
    } else {
        format!("`{address}` and `{other}` of {who} cannot both be bound: each takes every IPv4 address")
    }
}
