//! A service with the filters in front of it.
//!
//! Everything one request needs is fixed when the route is built: the steps with their hooks sorted out, the metric
//! handles, the log switch. A route is itself a [`Service`], so `Gateway::new(Route::new("api", api).filter(..))` is a
//! complete server.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::head::{RequestHead, ResponseHead};
use crate::metrics::{Metrics, RouteMetrics};
use crate::reply::{ErrorReply, Page};
use crate::{Action, BoxError, Context, Error, Filter, Flow, Outcome, Phases, Service};

/// A service with the filters in front of it. Cloning is cheap and gives the same route.
#[derive(Clone)]
pub struct Route(Arc<Parts>);

/// What a route consists of.
pub struct Parts {
    /// The site's name: a label of metrics and logs.
    pub site: Arc<str>,
    /// The route's name: a label of metrics and logs.
    pub name: Arc<str>,
    /// The filters, in order.
    pub steps: Box<[Step]>,
    /// The name of the service's kind, for `explain` and errors.
    pub service_name: Arc<str>,
    /// What the requests come to in the end.
    pub service: Arc<dyn Service>,
    /// Whether requests are written to the access log.
    pub access_log: bool,
    /// Every hook that some filter of this route has.
    phases: Phases,
    /// Whether some filter may refuse or change a request by its body.
    judges_requests: bool,
    metrics: Option<Arc<RouteMetrics>>,
}

/// One filter of a route.
#[derive(Clone)]
pub struct Step {
    /// The filter's name in the config.
    pub name: Arc<str>,
    /// The filter.
    pub filter: Arc<dyn Filter>,
    phases: Phases,
}

/// A route in the making.
#[must_use]
pub struct RouteBuilder {
    parts: Parts,
    steps: Vec<Step>,
}

// === impl Route ===

impl Route {
    /// Begins a route that ends in `service`. The name is a metric label, so it comes from config, never from a
    /// request.
    pub fn builder(name: &str, service: impl Service) -> RouteBuilder {
        Self::shared(name, Arc::new(service))
    }

    /// The same for a service that is shared.
    pub fn shared(name: &str, service: Arc<dyn Service>) -> RouteBuilder {
        let parts = Parts {
            site: "default".into(),
            name: name.into(),
            steps: Box::default(),
            service_name: "service".into(),
            service,
            access_log: true,
            phases: Phases::NONE,
            judges_requests: false,
            metrics: None,
        };
        RouteBuilder { parts, steps: Vec::new() }
    }

    /// A route without filters.
    pub fn new(name: &str, service: impl Service) -> Self {
        Self::builder(name, service).build()
    }

    /// Runs the filters, then the service.
    pub(crate) async fn serve(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Action, Error> {
        match self.request(req, cx).await? {
            Flow::Continue => {
                let action = self.service.call(req, cx).await;
                action.map_err(|source| Error::said_by(&self.service_name, source))
            }
            Flow::Reply(reply) => Ok(Action::Reply(reply)),
        }
    }

    /// Enters the route and runs the request hooks, first filter first.
    pub(crate) async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, Error> {
        cx.enter(self.clone());
        for step in self.steps_of(Phases::REQUEST) {
            let flow = step.filter.request(req, cx).await;
            match flow.map_err(|source| Error::said_by(&step.name, source))? {
                Flow::Continue => {}
                reply @ Flow::Reply(_) => return Ok(reply),
            }
        }
        Ok(Flow::Continue)
    }

    pub(crate) fn metrics(&self) -> Option<&RouteMetrics> {
        self.metrics.as_deref()
    }

    pub(crate) fn has(&self, phase: Phases) -> bool {
        self.phases.contains(phase)
    }

    /// Whether some filter sees the request's body, in pieces or as a whole.
    pub(crate) fn reads_requests(&self) -> bool {
        self.has(Phases::REQUEST_BODY) || self.has(Phases::WHOLE_REQUEST_BODY)
    }

    /// Whether some filter that sees the request's body does more than watch.
    pub(crate) fn judges_requests(&self) -> bool {
        self.judges_requests
    }

    fn steps_of(&self, phase: Phases) -> impl DoubleEndedIterator<Item = &Step> {
        // A route that has no such hook is not walked at all.
        let steps = if self.has(phase) { &self.steps[..] } else { &[] };
        steps.iter().filter(move |step| step.phases.contains(phase))
    }

    /// Runs the response hooks, last filter first.
    pub(crate) fn response(&self, res: &mut ResponseHead, cx: &mut Context) -> Result<(), Error> {
        for step in self.steps_of(Phases::RESPONSE).rev() {
            step.filter.response(res, cx).map_err(|source| Error::said_by(&step.name, source))?;
        }
        Ok(())
    }

    /// Shows a piece of the request's body to the filters that declared an interest.
    pub(crate) fn request_body(
        &self,
        piece: &mut Option<Bytes>,
        end: bool,
        cx: &mut Context,
    ) -> Result<Flow, Error> {
        for step in self.steps_of(Phases::REQUEST_BODY) {
            let flow = step.filter.request_body(piece, end, cx);
            match flow.map_err(|source| Error::said_by(&step.name, source))? {
                Flow::Continue => {}
                reply @ Flow::Reply(_) => return Ok(reply),
            }
        }
        Ok(Flow::Continue)
    }

    /// Shows all of the request's body to the filters that declared an interest in it or in its pieces, in order.
    pub(crate) async fn whole_request_body(&self, body: &mut Bytes, cx: &mut Context) -> Result<Flow, Error> {
        for step in &self.steps {
            let mut flow = Ok(Flow::Continue);
            if step.phases.contains(Phases::WHOLE_REQUEST_BODY) {
                flow = step.filter.whole_request_body(body, cx).await;
            }
            if step.phases.contains(Phases::REQUEST_BODY) && matches!(flow, Ok(Flow::Continue)) {
                let mut piece = Some(std::mem::take(body)).filter(|body| !body.is_empty());
                flow = step.filter.request_body(&mut piece, true, cx);
                *body = piece.unwrap_or_default();
            }
            match flow.map_err(|source| Error::said_by(&step.name, source))? {
                Flow::Continue => {}
                reply @ Flow::Reply(_) => return Ok(reply),
            }
        }
        Ok(Flow::Continue)
    }

    /// Shows a piece of the response's body to the filters that declared an interest.
    pub(crate) fn response_body(
        &self,
        piece: &mut Option<Bytes>,
        end: bool,
        cx: &mut Context,
    ) -> Result<(), Error> {
        for step in self.steps_of(Phases::RESPONSE_BODY).rev() {
            step.filter.response_body(piece, end, cx).map_err(|source| Error::said_by(&step.name, source))?;
        }
        Ok(())
    }

    /// What is shown of an error.
    pub(crate) fn error_page(&self, error: &ErrorReply<'_>, cx: &Context) -> Option<Page> {
        self.steps_of(Phases::ERROR).rev().find_map(|step| step.filter.error_page(error, cx))
    }

    pub(crate) fn log(&self, outcome: &Outcome, cx: &Context) {
        for step in self.steps_of(Phases::LOG) {
            step.filter.log(outcome, cx);
        }
    }
}

#[async_trait]
impl Service for Route {
    async fn call(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        Ok(self.serve(req, cx).await?)
    }

    fn describe(&self) -> String {
        self.service.describe()
    }
}

impl Deref for Route {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({} / {})", self.site, self.name)
    }
}

// === impl Parts ===

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("site", &self.site).field("name", &self.name).finish_non_exhaustive()
    }
}

// === impl Step ===

impl Step {
    /// A filter under the name that errors and `explain` call it by.
    pub fn new(name: &str, filter: Arc<dyn Filter>) -> Self {
        Self { name: name.into(), phases: filter.phases(), filter }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("name", &self.name).field("phases", &self.phases).finish_non_exhaustive()
    }
}

// === impl RouteBuilder ===

impl RouteBuilder {
    /// Names the site that the route belongs to. `default` if not called.
    pub fn site(mut self, name: &str) -> Self {
        self.parts.site = name.into();
        self
    }

    /// Names the kind of the service.
    pub fn service_name(mut self, name: &str) -> Self {
        self.parts.service_name = name.into();
        self
    }

    /// Adds a filter behind those added before.
    pub fn filter(self, name: &str, filter: impl Filter) -> Self {
        self.step(Step::new(name, Arc::new(filter)))
    }

    /// The same for a filter that is shared.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Switches the access log of this route.
    pub fn access_log(mut self, on: bool) -> Self {
        self.parts.access_log = on;
        self
    }

    /// Counts the route's requests.
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.parts.metrics = Some(metrics.route(&self.parts.site, &self.parts.name));
        self
    }

    /// The finished route.
    pub fn build(self) -> Route {
        let Self { mut parts, steps } = self;
        parts.phases = steps.iter().fold(Phases::NONE, |all, step| all | step.phases);
        let judges = |phases: Phases| {
            phases.contains(Phases::WHOLE_REQUEST_BODY)
                || (phases.contains(Phases::REQUEST_BODY) && !phases.contains(Phases::WATCH_REQUEST_BODY))
        };
        parts.judges_requests = steps.iter().any(|step| judges(step.phases));
        parts.steps = steps.into();
        Route(Arc::new(parts))
    }
}

impl fmt::Debug for RouteBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteBuilder").field("parts", &self.parts).finish_non_exhaustive()
    }
}
