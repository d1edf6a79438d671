//! The `early_hints` filter: browsers begin to load what a page needs while the page is being made.

use std::sync::Arc;

use garde::Validate;
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, Module, Phases, RequestHead, ResponseHead, async_trait,
};
use http::header::{CONTENT_TYPE, HeaderName, LINK};
use http::{HeaderMap, Method};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Link;

/// What browsers say of a request for a page (Fetch Metadata). Others may take a 103 for the answer (RFC 8297, 3).
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Tells browsers what a page needs: over HTTP/1.1 in a `103 Early Hints` before the upstream is asked, where a browser asks for
/// a page (`Sec-Fetch-Mode: navigate`), and in `Link` of each HTML answer that does not name the same targets.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct EarlyHints {
    /// The links, as the header `Link` has them, each an item of its own.
    #[garde(length(min = 1, max = 32))]
    pub links: Vec<Link>,
}

struct Hints {
    links: Vec<Link>,
}

// === impl EarlyHints ===

impl Module for EarlyHints {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Hints { links: self.links.clone() }))
    }
}

// === impl Hints ===

#[async_trait]
impl Filter for Hints {
    fn phases(&self) -> Phases {
        Phases::REQUEST | Phases::RESPONSE
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        let is_navigation = req.headers.get(&SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate");
        if is_navigation && req.method == Method::GET {
            self.links.iter().for_each(|link| cx.hint(link.value().clone()));
        }
        Ok(Flow::Continue)
    }

    fn response(&self, res: &mut ResponseHead, _: &mut Context) -> Result<(), BoxError> {
        if res.status.is_success() && is_html(&res.headers) {
            for link in &self.links {
                if !names(&res.headers, link.target()) {
                    res.headers.append(LINK, link.value().clone());
                }
            }
        }
        Ok(())
    }
}

fn is_html(headers: &HeaderMap) -> bool {
    let html = b"text/html";
    let head = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().get(..html.len()));
    head.is_some_and(|head| head.eq_ignore_ascii_case(html))
}

/// Whether some link leads to this target already.
fn names(headers: &HeaderMap, target: &[u8]) -> bool {
    let mut links = headers.get_all(LINK).into_iter().map(|value| value.as_bytes());
    links.any(|links| links.windows(target.len()).any(|part| part == target))
}
