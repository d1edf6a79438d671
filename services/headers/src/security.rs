//! The `security_headers` preset.

use std::sync::Arc;

use garde::Validate;
use headwall_core::{BoxError, Build, Context, Filter, Module, Phases, ResponseHead};
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::edit::pair;

/// Sets the headers that browsers protect their users by. Each can be set to another value, or to `null` to leave it
/// out. They replace what the upstream says.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityHeaders {
    /// `Strict-Transport-Security` (RFC 6797), only on answers over TLS. Default: a year, with subdomains.
    #[garde(skip)]
    pub strict_transport_security: Option<String>,
    /// `X-Frame-Options` (RFC 7034). Default: `SAMEORIGIN`.
    #[garde(skip)]
    pub x_frame_options: Option<String>,
    /// `X-Content-Type-Options` (Fetch standard). Default: `nosniff`.
    #[garde(skip)]
    pub x_content_type_options: Option<String>,
    /// `Referrer-Policy`. Default: `strict-origin-when-cross-origin`.
    #[garde(skip)]
    pub referrer_policy: Option<String>,
    /// `X-XSS-Protection`, which no current browser reads. Default: left out.
    #[garde(skip)]
    pub x_xss_protection: Option<String>,
    /// `Content-Security-Policy`, which only its application can know. Default: left out.
    #[garde(skip)]
    pub content_security_policy: Option<String>,
}

struct Preset {
    always: Vec<(HeaderName, HeaderValue)>,
    over_tls: Option<(HeaderName, HeaderValue)>,
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        let some = |text: &str| Some(text.to_owned());
        Self {
            strict_transport_security: some("max-age=31536000; includeSubDomains"),
            x_frame_options: some("SAMEORIGIN"),
            x_content_type_options: some("nosniff"),
            referrer_policy: some("strict-origin-when-cross-origin"),
            x_xss_protection: None,
            content_security_policy: None,
        }
    }
}

impl Module for SecurityHeaders {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let prepared =
            |header: &str, text: &Option<String>| text.as_ref().map(|text| pair(header, text)).transpose();
        let always = [
            ("X-Frame-Options", &self.x_frame_options),
            ("X-Content-Type-Options", &self.x_content_type_options),
            ("Referrer-Policy", &self.referrer_policy),
            ("X-XSS-Protection", &self.x_xss_protection),
            ("Content-Security-Policy", &self.content_security_policy),
        ];
        let always = always.into_iter().filter_map(|(header, text)| prepared(header, text).transpose());
        Ok(Arc::new(Preset {
            always: always.collect::<Result<_, _>>()?,
            over_tls: prepared("Strict-Transport-Security", &self.strict_transport_security)?,
        }))
    }
}

impl Filter for Preset {
    fn phases(&self) -> Phases {
        Phases::RESPONSE
    }

    fn response(&self, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        for (name, value) in &self.always {
            res.headers.insert(name, value.clone());
        }
        // RFC 6797, 7.2: not over plain HTTP, where anybody could have put it.
        if let Some((name, value)) = self.over_tls.as_ref().filter(|_| cx.scheme() == "https") {
            res.headers.insert(name, value.clone());
        }
        Ok(())
    }
}
