//! Keeps the address of a container out of its answers, should it speak of itself.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use garde::Validate;
use headwall::{
    BoxError, Build, Context, Filter, Flow, Module, Phases, RequestHead, ResponseHead, async_trait,
};
use http::header;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::containers::Container;

/// Takes the address of the container that answered out of its answer: a header that names it is dropped, and in the
/// body it becomes asterisks. Meant for short answers, because the body is held back until its end.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct HideContainer {}

struct Veil;

/// The body so far. An address may come in two pieces.
#[derive(Debug, Clone, Default)]
struct Held(BytesMut);

impl Module for HideContainer {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Veil))
    }
}

#[async_trait]
impl Filter for Veil {
    fn phases(&self) -> Phases {
        Phases::REQUEST | Phases::RESPONSE | Phases::RESPONSE_BODY
    }

    /// A compressed answer could not be looked into.
    async fn request(&self, req: &mut RequestHead, _: &mut Context) -> Result<Flow, BoxError> {
        req.headers.remove(header::ACCEPT_ENCODING);
        Ok(Flow::Continue)
    }

    fn response(&self, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        let Some(Container(address)) = cx.extensions().get() else { return Ok(()) };
        let telling = res.headers.iter().filter(|(_, value)| find(value.as_bytes(), address).is_some());
        for name in telling.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            res.headers.remove(&name);
        }
        Ok(())
    }

    fn response_body(&self, piece: &mut Option<Bytes>, end: bool, cx: &mut Context) -> Result<(), BoxError> {
        let Some(Container(address)) = cx.extensions().get().cloned() else { return Ok(()) };
        let Held(body) = cx.extensions_mut().get_or_insert_default();
        body.extend_from_slice(&piece.take().unwrap_or_default());
        if end {
            // As many asterisks as there were characters: the length of the body is on its way already.
            while let Some(start) = find(body, &address) {
                body[start..start + address.len()].fill(b'*');
            }
            *piece = Some(std::mem::take(body).freeze());
        }
        Ok(())
    }
}

fn find(text: &[u8], address: &str) -> Option<usize> {
    text.windows(address.len()).position(|window| window == address.as_bytes())
}
