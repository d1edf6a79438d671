//! The service: which file a request means, and what becomes of it.

use std::sync::Arc;
use std::time::Instant;

use headwall_core::{Action, BoxError, Context, LocalReply, RequestHead, Service, async_trait, matching};
use http::header::{ALLOW, VARY};
use http::{HeaderValue, Method, StatusCode};
use tokio::task::spawn_blocking;

use crate::answer::{self, Plan};
use crate::body::PIECE;
use crate::cache::{Cache, Place};
use crate::finder::{Contents, Finder, Found};
use crate::listing::Form;
use crate::navigation;
use crate::path::Below;
use crate::resource::Variant;
use crate::tree::Closed;

/// What may be asked of a file.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
/// What decides whether a client gets the shell of an app or a 404.
const NAVIGATION: HeaderValue = HeaderValue::from_static("Accept, Sec-Fetch-Mode");
/// How often a file is looked up anew that was changed between two looks at it.
const TRIES: u32 = 3;

/// Serves the files of a tree.
pub(crate) struct Serve {
    pub(crate) finder: Arc<Finder>,
    pub(crate) cache: Cache,
    /// What is taken off the path, without a slash at its end.
    pub(crate) strip: String,
    /// What a navigation gets where there is no file.
    pub(crate) shell: Option<String>,
}

/// What a path has led to.
enum Looked {
    /// A file, and under which other path it is kept if not under the one that was asked for.
    File(Place, Option<Vec<u8>>),
    Listing(bytes::Bytes),
    Nothing,
}

#[async_trait]
impl Service for Serve {
    async fn call(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        let reply = match req.method {
            Method::GET | Method::HEAD => self.serve(req, cx).await?,
            Method::OPTIONS => LocalReply::new(StatusCode::NO_CONTENT).header(ALLOW, METHODS),
            _ => {
                LocalReply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed").header(ALLOW, METHODS)
            }
        };
        Ok(Action::Reply(reply))
    }

    fn describe(&self) -> String {
        let root = self.finder.tree.root().display();
        match &self.shell {
            Some(shell) => format!("the files below {root}, and {shell} for navigations to anything else"),
            None => format!("the files below {root}"),
        }
    }
}

// === impl Serve ===

impl Serve {
    async fn serve(&self, req: &RequestHead, cx: &Context) -> Result<LocalReply, BoxError> {
        let Ok(path) = Below::read(self.stripped(req.uri.path()), self.finder.hidden) else {
            return Ok(not_found());
        };
        match self.reply_with(&path, req, cx).await? {
            Some(reply) => Ok(reply),
            None => self.stand_in(&path, req, cx).await,
        }
    }

    /// The shell of an app, for a browser that goes to one of its pages.
    async fn stand_in(
        &self,
        path: &Below<'_>,
        req: &RequestHead,
        cx: &Context,
    ) -> Result<LocalReply, BoxError> {
        let is_page = || {
            navigation::wants_page(&req.headers) && !navigation::names_asset(path.bytes(), &self.finder.types)
        };
        let Some(Ok(shell)) = self.shell.as_ref().filter(|_| is_page()).map(|shell| Below::read(shell, true))
        else {
            return Ok(not_found());
        };
        let reply = self.reply_with(&shell, req, cx).await?;
        Ok(reply.map_or_else(not_found, |reply| reply.added(VARY, NAVIGATION)))
    }

    /// The reply with what is at a path, if anything is.
    async fn reply_with(
        &self,
        path: &Below<'_>,
        req: &RequestHead,
        cx: &Context,
    ) -> Result<Option<LocalReply>, BoxError> {
        // A file that is changed between the look-up and its opening is looked up again.
        for _ in 0..TRIES {
            let looked = match self.look(path, req, cx.started()).await {
                Ok(looked) => looked,
                Err(closed) => return refused(closed).map(Some),
            };
            if looked.is_directory()
                && !path.has_slash()
                && let Some(location) = with_slash(req, cx)
            {
                return Ok(Some(LocalReply::redirect(StatusCode::MOVED_PERMANENTLY, location)));
            }
            match looked {
                Looked::Nothing => return Ok(None),
                Looked::Listing(page) => {
                    return Ok(Some(answer::listing(Form::preferred(&req.headers), page)));
                }
                Looked::File(place, fixed) => {
                    if let Some(reply) = self.answer(&place, req).await? {
                        return Ok(Some(reply));
                    }
                    self.cache.forget(fixed.as_deref().unwrap_or(path.bytes()));
                }
            }
        }
        Err("the file is changed again and again".into())
    }

    /// Takes the prefix off, in whole elements.
    fn stripped<'a>(&self, path: &'a str) -> &'a str {
        let rest = path.strip_prefix(&self.strip).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        rest.unwrap_or(path)
    }

    async fn look(&self, path: &Below<'_>, req: &RequestHead, now: Instant) -> Result<Looked, Closed> {
        if let Some(place) = self.cache.fresh(path.bytes(), now) {
            return Ok(Looked::File(place, None));
        }
        let (finder, asked) = (self.finder.clone(), path.to_vec());
        let form = Form::preferred(&req.headers);
        let found = off_the_worker(move || {
            let found = finder.find(&asked, form)?;
            Ok((found, asked))
        });
        let (found, asked) = found.await?;
        Ok(match found {
            Found::Nothing => Looked::Nothing,
            Found::Listing(page) => Looked::Listing(page),
            Found::File { resource, is_index, fixed } => {
                // A file that is the same for every path is kept once, and not under every path that somebody invents.
                let place = Place { resource, is_index };
                let place = self.cache.keep(fixed.as_deref().unwrap_or(&asked), place, now);
                Looked::File(place, fixed)
            }
        })
    }

    /// Answers with a file. `None` when it is not what was looked up any more.
    async fn answer(&self, place: &Place, req: &RequestHead) -> Result<Option<LocalReply>, BoxError> {
        let resource = &place.resource;
        let variant = resource.choose(&req.headers);
        let plan = Plan::new(variant, req);
        let contents = if plan.needs_contents() {
            match self.contents(place, variant).await {
                Ok(Some(contents)) => Some(contents),
                Ok(None) => return Ok(None),
                Err(closed) => return refused(closed).map(Some),
            }
        } else {
            None
        };
        Ok(Some(plan.carry_out(resource, variant, contents)))
    }

    async fn contents(&self, place: &Place, variant: &Variant) -> Result<Option<Contents>, Closed> {
        if let Some(bytes) = variant.contents() {
            return Ok(Some(Contents::Whole(bytes)));
        }
        let (finder, place) = (self.finder.clone(), place.clone());
        let encoding = variant.encoding;
        // What is one piece anyway is read at once, without a stream.
        let small = if self.cache.takes(variant) { variant.stamp.size } else { PIECE };
        let opened = off_the_worker(move || {
            let resource = &place.resource;
            let variant = resource.encoded.iter().find(|variant| variant.encoding == encoding);
            finder.open(variant.unwrap_or(&resource.plain), small)
        });
        let opened = opened.await?;
        if let Some(Contents::Whole(bytes)) = &opened {
            self.cache.keep_contents(variant, bytes);
        }
        Ok(opened)
    }
}

// === impl Looked ===

impl Looked {
    fn is_directory(&self) -> bool {
        matches!(self, Self::Listing(_) | Self::File(Place { is_index: true, .. }, _))
    }
}

/// Does what may wait for a disk where nobody else has to wait too.
async fn off_the_worker<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, Closed> + Send + 'static,
) -> Result<T, Closed> {
    match spawn_blocking(job).await {
        Ok(done) => done,
        Err(error) => Err(Closed::Failed(std::io::Error::other(error))),
    }
}

/// Where a directory is that was asked for without its slash: what the client wrote, with one. There is no place to send
/// somebody to who wrote one already and whose path a filter has exchanged.
fn with_slash(req: &RequestHead, cx: &Context) -> Option<HeaderValue> {
    // Normalised, so it has neither `//` in front, which would name a host, nor anything that no header may have.
    let path = matching::normalise(cx.request_line().uri.path()).ok()?;
    if path.ends_with('/') {
        return None;
    }
    let query = cx.request_line().uri.query().or(req.uri.query());
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    HeaderValue::try_from(format!("{path}/{query}")).ok()
}

fn not_found() -> LocalReply {
    LocalReply::error(StatusCode::NOT_FOUND, "file_not_found")
}

fn refused(closed: Closed) -> Result<LocalReply, BoxError> {
    match closed {
        Closed::NotFound => Ok(not_found()),
        Closed::Forbidden => Ok(LocalReply::error(StatusCode::FORBIDDEN, "file_forbidden")),
        Closed::Failed(error) => Err(error.into()),
    }
}
