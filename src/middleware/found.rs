use http::Extensions;

#[cfg(feature = "axum")]
use super::deciding::Deciding;
use crate::organization::Organization;
#[cfg(feature = "live")]
use crate::policy::PermissionDrift;
use crate::token::AccessToken;

/// What a request that passes takes along.
#[derive(Default)]
pub(super) struct Found {
    pub(super) token: Option<AccessToken>,
    pub(super) organization: Option<Organization>,
    #[cfg(feature = "live")]
    pub(super) drift: Option<PermissionDrift>,
    #[cfg(feature = "axum")]
    pub(super) deciding: Option<Deciding>,
}

impl Found {
    pub(super) fn put_into(self, extensions: &mut Extensions) {
        put(extensions, self.token);
        put(extensions, self.organization);
        #[cfg(feature = "live")]
        put(extensions, self.drift);
        #[cfg(feature = "axum")]
        put(extensions, self.deciding);
    }

    /// What another layer has found further out was for its own policy: neither this one's checks see it, nor the handler.
    pub(super) fn clear(extensions: &mut Extensions) {
        extensions.remove::<AccessToken>();
        extensions.remove::<Organization>();
        #[cfg(feature = "live")]
        extensions.remove::<PermissionDrift>();
        #[cfg(feature = "axum")]
        extensions.remove::<Deciding>();
    }
}

fn put<T: Clone + Send + Sync + 'static>(extensions: &mut Extensions, found: Option<T>) {
    if let Some(found) = found {
        extensions.insert(found);
    }
}
