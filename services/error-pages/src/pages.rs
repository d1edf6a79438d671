//! The filter and its settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use garde::Validate;
use headwall_core::reply::{ErrorReply, Page, Representation};
use headwall_core::template::{Escape, Placeholder, Scene};
use headwall_core::{BoxError, Build, Context, Filter, Module, Phases, Template};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Statuses;

/// A page is kept in memory, and is sent when things are going badly.
const LARGEST: u64 = 1 << 20;

/// Shows errors in the site's own words. Of two such filters, a route's is asked before its site's.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ErrorPages {
    /// Pages for statuses. In the form that a client prefers, a page that names the status is looked for before one for its
    /// class.
    #[garde(length(min = 1), dive)]
    pub pages: Vec<PageSettings>,
    /// Whether the app's own errors are shown by these pages too. An answer in a form that no page has stays the app's.
    /// Default: false.
    #[serde(default)]
    #[garde(skip)]
    pub upstream: bool,
}

/// The forms of one page. A client that prefers a form that is left out gets Headwall's own.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct PageSettings {
    /// What it is for: `404`, `4xx`, `5xx`.
    #[garde(length(min = 1))]
    pub status: Vec<Statuses>,
    /// For browsers.
    #[serde(default)]
    #[garde(dive)]
    pub html: Option<Content>,
    /// `application/json`, for programs.
    #[serde(default)]
    #[garde(dive)]
    pub json: Option<Content>,
    /// `application/problem+json` (RFC 9457).
    #[serde(default)]
    #[garde(dive)]
    pub problem: Option<Content>,
}

/// Where a page is: either in a file, which is read at the start and at every reload, or here. `{status}`, `{message}`,
/// `{reason}`, `{request.id}` and the other placeholders stand for what they name, written so that it means nothing in HTML or
/// JSON. Other braces stand for themselves.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The path of a file of at most 1 MiB.
    #[serde(default)]
    #[garde(custom(one_of_both(&self.text)))]
    pub file: Option<PathBuf>,
    /// The page itself.
    #[serde(default)]
    #[garde(skip)]
    pub text: Option<String>,
}

struct Pages {
    pages: Vec<Prepared>,
    upstream: bool,
}

struct Prepared {
    status: Vec<Statuses>,
    html: Option<Template>,
    json: Option<Template>,
    problem: Option<Template>,
}

fn one_of_both(text: &Option<String>) -> impl FnOnce(&Option<PathBuf>, &()) -> garde::Result + '_ {
    move |file, ()| match (file, text) {
        (Some(_), None) | (None, Some(_)) => Ok(()),
        (Some(_), Some(_)) => Err(garde::Error::new("a page is in a `file` or in `text`, not in both")),
        (None, None) => Err(garde::Error::new("a page needs a `file` or a `text`")),
    }
}

// === impl ErrorPages ===

impl Module for ErrorPages {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let prepared = |page: &PageSettings| {
            if page.html.is_none() && page.json.is_none() && page.problem.is_none() {
                return Err("a page without `html`, `json` and `problem` shows nothing".into());
            }
            let template = |content: &Option<Content>| content.as_ref().map(Content::template).transpose();
            Ok::<_, BoxError>(Prepared {
                status: page.status.clone(),
                html: template(&page.html)?,
                json: template(&page.json)?,
                problem: template(&page.problem)?,
            })
        };
        let pages = self.pages.iter().map(prepared).collect::<Result<_, _>>()?;
        Ok(Arc::new(Pages { pages, upstream: self.upstream }))
    }
}

// === impl Content ===

impl Content {
    fn template(&self) -> Result<Template, BoxError> {
        let template = match (&self.file, &self.text) {
            (Some(file), _) => {
                let text = read(file).map_err(|error| format!("{}: {error}", file.display()))?;
                Template::page(&text).map_err(|error| format!("{}: {error}", file.display()))?
            }
            (None, text) => Template::page(text.as_deref().unwrap_or(""))?,
        };
        if template.placeholders().any(|value| matches!(value, Placeholder::Capture(_))) {
            return Err("there is no pattern here, so no {0} to {9}".into());
        }
        Ok(template)
    }
}

fn read(file: &Path) -> Result<String, BoxError> {
    let length = std::fs::metadata(file)?.len();
    if length > LARGEST {
        return Err(format!("it has {length} bytes; a page has at most {LARGEST}").into());
    }
    Ok(std::fs::read_to_string(file)?)
}

// === impl Prepared ===

impl Prepared {
    /// The page in a form, and what must not mean anything in it.
    fn form(&self, form: Representation) -> Option<(&Template, Escape)> {
        let (template, escape) = match form {
            Representation::Html => (&self.html, Escape::Html),
            Representation::Json => (&self.json, Escape::Json),
            Representation::Problem => (&self.problem, Escape::Json),
        };
        Some((template.as_ref()?, escape))
    }
}

// === impl Pages ===

impl Pages {
    /// The page for a status in a form: one that names the status, else one for its class.
    fn find(&self, status: StatusCode, form: Representation) -> Option<(&Template, Escape)> {
        let by = |meant: fn(Statuses, StatusCode) -> bool| {
            let mut pages = self.pages.iter();
            pages.find_map(|page| {
                let is_meant = page.status.iter().any(|statuses| meant(*statuses, status));
                page.form(form).filter(|_| is_meant)
            })
        };
        by(Statuses::names).or_else(|| by(Statuses::covers))
    }
}

impl Filter for Pages {
    fn phases(&self) -> Phases {
        Phases::ERROR
    }

    fn error_page(&self, error: &ErrorReply<'_>, cx: &Context) -> Option<Page> {
        if error.by_upstream && !self.upstream {
            return None;
        }
        let form = error.preferred();
        let (template, escape) = self.find(error.status, form)?;
        let scene =
            Scene::of(cx).headers(error.request).status(error.status).error(error.message, error.reason);
        let body = Bytes::from(template.expand(&scene, escape));
        Some(Page { content_type: form.content_type(), body })
    }
}
