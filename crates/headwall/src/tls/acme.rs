//! Certificates from a CA, as the config wants them.

use std::sync::Arc;
use std::time::SystemTime;

use headwall_acme::{
    AccountBinding, Acme, AllowedChallenges, Authority, DnsHook, Event, Identifier, Issued, Secret, Wanted,
};
use headwall_config::{AcmeAuthority, AcmeChallenge, AcmeDns};
use headwall_core::BoxError;
use headwall_core::module::Shared;
use headwall_route::HostPattern;
use headwall_tls::{Identity, Slot};

use super::Ground;
use super::certificate::{Care, Certificate};

/// The certificate of one host. Each has its own, so that one that cannot be had costs nobody else theirs.
pub(super) fn wanted(host: &HostPattern, settings: &headwall_config::Acme) -> Result<Wanted, BoxError> {
    let host = host.to_string();
    let name: Identifier = host.trim_matches(['[', ']']).parse()?;
    let allows = |challenge| settings.challenges.contains(&challenge);
    let wanted = Wanted {
        email: settings.email.clone().filter(|email| !email.is_empty()),
        authorities: settings.authorities.iter().map(authority).collect::<Result<_, _>>()?,
        challenges: AllowedChallenges {
            http_01: allows(AcmeChallenge::Http01),
            tls_alpn_01: allows(AcmeChallenge::TlsAlpn01),
        },
        dns: settings.dns.as_ref().and_then(dns),
        ..Wanted::new([name])
    };
    wanted.check()?;
    Ok(wanted)
}

fn authority(settings: &AcmeAuthority) -> Result<Authority, BoxError> {
    let account = settings.account.as_ref().map(|account| {
        AccountBinding::new(&account.key_id, &Secret::new(account.hmac_key.expose().to_owned()))
    });
    let account = account.transpose()?;
    let known = match settings.directory.as_str() {
        "letsencrypt" => Authority::lets_encrypt(),
        "letsencrypt-staging" => {
            let staging = Authority::lets_encrypt().staging.unwrap_or_default();
            Authority { name: "letsencrypt-staging".to_owned(), ..Authority::directory(staging) }
        }
        "zerossl" => Authority::zerossl(account.clone().ok_or("ZeroSSL wants an `account`")?),
        url if url.starts_with("https://") => Authority::directory(url),
        other => {
            return Err(format!(
                "expected an `https://` URL, `letsencrypt`, `letsencrypt-staging` or `zerossl` as directory, was `{other}`"
            )
            .into());
        }
    };
    let root = settings.ca.clone().filter(|path| !path.as_os_str().is_empty());
    Ok(Authority { root, profile: settings.profile.clone(), account_binding: account, ..known })
}

fn dns(settings: &AcmeDns) -> Option<DnsHook> {
    let timeout = settings.timeout.as_std();
    let mut hook = match (&settings.webhook, settings.exec.split_first()) {
        (Some(url), _) => DnsHook::webhook(url, timeout),
        (None, Some((program, args))) => DnsHook::exec(program, args.iter().map(String::as_str), timeout),
        (None, None) => return None,
    };
    hook.propagation = settings.wait.as_std();
    Some(hook)
}

/// Has a certificate looked after.
pub(super) fn manage(
    acme: &Acme,
    wanted: Wanted,
    site: &str,
    ground: &Ground,
    shared: &Shared,
) -> Result<Arc<Certificate>, BoxError> {
    let label = wanted.names.first().map(ToString::to_string).unwrap_or_default();
    shared.obtain(&format!("certificate {site} {wanted:?}"), || {
        let slot = Arc::new(Slot::new());
        let deliver = {
            let (slot, provider, label) = (slot.clone(), ground.provider.clone(), label.clone());
            move |issued: Issued| {
                let (chain, key) = (issued.chain_pem.as_bytes(), issued.key_pem.expose().as_bytes());
                match Identity::from_pem(chain, key, &provider) {
                    Ok(identity) => drop(slot.put(identity, SystemTime::now())),
                    Err(error) => log::error!("{label}: the certificate cannot be used: {error}"),
                }
            }
        };
        let tell = {
            let (renewals, site, label) = (ground.renewals.clone(), site.to_owned(), label.clone());
            move |event: &Event| match event {
                Event::Issued { .. } => {
                    log::info!("{event}");
                    renewals.count(&site, &label, true);
                }
                Event::Failed { .. } => {
                    log::error!("{event}");
                    renewals.count(&site, &label, false);
                }
                Event::RenewalScheduled { .. } => log::debug!("{event}"),
            }
        };
        let managed = acme.manage(wanted, deliver, tell);
        Ok(Certificate::new(site, label, slot, Care::Acme(managed)))
    })
}
