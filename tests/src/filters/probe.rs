//! A filter that leaves its mark and does what it is told: the tests' stand-in for a module that somebody else wrote.

use std::sync::Arc;

use headwall::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Outcome, Phases, RequestHead, ResponseHead,
    Server, async_trait,
};
use http::StatusCode;

/// Settings of the probe.
#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema, garde::Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct Probe {
    /// What is added to `x-order` of requests and responses that pass.
    mark: String,
    /// What is done to a request.
    #[serde(default)]
    request: Deed,
    /// What is done to a response.
    #[serde(default)]
    response: Deed,
}

#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Deed {
    #[default]
    Pass,
    /// Answers with 403.
    Refuse,
    /// Returns an error.
    Fail,
    Panic,
    /// Never returns.
    Hang,
}

struct Probing {
    mark: String,
    request: Deed,
    response: Deed,
    /// Counts how requests ended.
    ended: Box<dyn Fn(&Outcome) + Send + Sync>,
}

/// A server that knows the probe as `probe`.
pub(crate) fn server() -> Server {
    Server::new().filter::<Probe>("probe")
}

impl Module for Probe {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let outcomes =
            cx.metrics().counters("probe_ended_total", "Requests.", &["mark", "reason", "status"])?;
        let mark = self.mark.clone();
        let ended = move |outcome: &Outcome| {
            let status = outcome.status.map_or_else(String::new, |status| status.as_str().to_owned());
            outcomes.with_label_values(&[mark.as_str(), outcome.reason.unwrap_or_default(), &status]).inc();
        };
        let Self { mark, request, response } = self;
        Ok(Arc::new(Probing {
            mark: mark.clone(),
            request: *request,
            response: *response,
            ended: Box::new(ended),
        }))
    }
}

#[async_trait]
impl Filter for Probing {
    fn phases(&self) -> Phases {
        Phases::HEADS
    }

    async fn request(&self, req: &mut RequestHead, _: &mut Context) -> Result<Flow, BoxError> {
        req.headers.append("x-order", self.mark.parse()?);
        match self.request {
            Deed::Pass => Ok(Flow::Continue),
            Deed::Refuse => {
                let reply = LocalReply::error(StatusCode::FORBIDDEN, "probe_refused");
                Ok(Flow::Reply(reply.message("The probe says no.")))
            }
            Deed::Fail => Err("the probe has failed with a secret".into()),
            Deed::Panic => panic!("the probe panics on purpose"),
            Deed::Hang => std::future::pending().await,
        }
    }

    fn response(&self, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        res.headers.append("x-order", self.mark.parse()?);
        if let Some(reason) = cx.reason() {
            res.headers.insert("x-reason", reason.parse()?);
        }
        match self.response {
            Deed::Pass | Deed::Refuse | Deed::Hang => Ok(()),
            Deed::Fail => Err("the probe has failed with a secret".into()),
            Deed::Panic => panic!("the probe panics on purpose"),
        }
    }

    fn log(&self, outcome: &Outcome, _: &Context) {
        (self.ended)(outcome);
    }
}
