use http::Extensions;

#[cfg(feature = "axum")]
use super::deciding::Deciding;
use crate::organization::Organization;
use crate::permissions::PermissionDrift;
use crate::token::AccessToken;

/// What a request that passes takes along.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) token: Option<AccessToken>,
    pub(crate) organization: Option<Organization>,
    pub(crate) drift: Option<PermissionDrift>,
    #[cfg(feature = "axum")]
    pub(crate) deciding: Option<Deciding>,
}

impl Found {
    pub(crate) fn put_into(self, extensions: &mut Extensions) {
        put(extensions, self.token);
        put(extensions, self.organization);
        put(extensions, self.drift);
        #[cfg(feature = "axum")]
        put(extensions, self.deciding);
    }

    /// What another layer has found further out was for its own policy: neither this one's checks see it, nor the handler.
    pub(crate) fn clear(extensions: &mut Extensions) {
        extensions.remove::<AccessToken>();
        extensions.remove::<Organization>();
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
