//! What happened at an issuer, and what this server makes of it.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;

use crate::error::ConfigError;
use crate::logto::webhooks::{Effect, Event, SigningKeys, WebhookError, verify};
use crate::permissions::Change;
use crate::server::ResourceServer;

type OnEvent = Arc<dyn Fn(&Event) + Send + Sync>;

impl ResourceServer {
    /// Takes the webhooks of one issuer entry, signed with one of these keys.
    ///
    /// # Errors
    ///
    /// When there is no entry of that name.
    pub fn webhooks(&self, issuer_name: &str, keys: SigningKeys) -> Result<Webhooks, ConfigError> {
        let entries = self.state.entries.load();
        if entries.named(issuer_name).is_none() {
            let known: Vec<&str> = entries.iter().map(|entry| &*entry.rules.name).collect();
            return Err(ConfigError::new(format_args!(
                "webhooks of issuer {issuer_name:?}: this server has {known:?}"
            )));
        }
        Ok(Webhooks { server: self.clone(), issuer_name: issuer_name.into(), keys, on_event: Vec::new() })
    }

    /// Makes known what happened at an issuer: revokes what the event revokes, and forgets what it makes untrue.
    ///
    /// Events may come twice and in any order. For those that come in another way than [`webhooks`](Self::webhooks): to one
    /// replica of several, say, which passes them on.
    pub fn apply(&self, issuer_name: &str, event: &Event) {
        crate::change::revocations::apply(&self.state.revocations, issuer_name, event, self.state.clock.now());
        for change in changes(&event.effect()) {
            self.permissions_changed(issuer_name, change, event.created_at());
        }
    }
}

/// What an event makes untrue of live permissions.
fn changes(effect: &Effect<'_>) -> Vec<Change> {
    match effect {
        Effect::Subject(subject) => vec![Change::Subject((*subject).into())],
        Effect::Members { organization, users, applications, .. } => {
            let organization: Arc<str> = (*organization).into();
            let member =
                |subject: &&str| Change::Member { organization: organization.clone(), subject: (*subject).into() };
            users.iter().chain(applications).map(member).collect()
        }
        Effect::Organization(organization) => vec![Change::Organization((*organization).into())],
        Effect::OrganizationTemplate => vec![Change::OrganizationTemplate],
        Effect::ApiPermissions => vec![Change::ApiPermissions],
        Effect::Nothing => Vec::new(),
    }
}

/// Takes the webhooks of one issuer entry. Made by [`ResourceServer::webhooks`].
///
/// With axum it becomes a route by [`endpoint`](Self::endpoint); anything else calls [`receive`](Self::receive).
#[derive(Clone)]
#[must_use]
pub struct Webhooks {
    server: ResourceServer,
    issuer_name: Arc<str>,
    keys: SigningKeys,
    on_event: Vec<OnEvent>,
}

impl Webhooks {
    /// Is told each verified event, after it was applied: those that mean nothing to this crate too. Called from the
    /// delivery, so it must not block; an event may come twice.
    pub fn on_event(mut self, tell: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on_event.push(Arc::new(tell));
        self
    }

    /// Verifies a delivery, applies it, and tells those who want to know.
    ///
    /// # Errors
    ///
    /// As [`verify`]; nothing has happened then.
    pub fn receive(&self, headers: &HeaderMap, raw_body: &[u8]) -> Result<Event, WebhookError> {
        let event = verify(headers, raw_body, &self.keys)?;
        self.server.apply(&self.issuer_name, &event);
        for tell in &self.on_event {
            tell(&event);
        }
        Ok(event)
    }

    #[cfg(feature = "axum")]
    pub(crate) fn issuer_name(&self) -> &str {
        &self.issuer_name
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks")
            .field("issuer_name", &self.issuer_name)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
