//! The metadata documents of a server.

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use super::ResourceServer;
use crate::error::ConfigError;
use crate::tower::MetadataLayer;

impl ResourceServer {
    /// Returns the response to a request for a metadata document; `None` for a request for anything else, and without
    /// [`Builder::metadata`](super::Builder::metadata).
    ///
    /// It looks at the path that the client sent. A guard and [`metadata_layer`](Self::metadata_layer) call it.
    #[must_use]
    pub fn metadata_response(&self, request: &Parts) -> Option<Response<Bytes>> {
        self.state.metadata_response(request)
    }

    /// Returns a layer that serves the metadata documents of all indicators, without a token, and passes every other request
    /// on. It belongs around the layers that require policies.
    ///
    /// ```
    /// # use orgate::respond::Metadata;
    /// # use orgate::policy::resource;
    /// # use orgate::ResourceServer;
    /// # use tower::Layer;
    /// # fn around<S>(service: S) -> Result<(), orgate::ConfigError> {
    /// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com")
    ///     .metadata(Metadata::new().scopes(["read:orders"]))
    ///     .build()?;
    /// let protected = server.require(resource().scope("read:orders"))?.layer(service);
    /// let service = server.metadata_layer()?.layer(protected);
    /// # _ = service;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] if the server has no metadata.
    pub fn metadata_layer(&self) -> Result<MetadataLayer, ConfigError> {
        if self.has_metadata() {
            return Ok(MetadataLayer::new(&self.state));
        }
        Err(ConfigError::new("metadata_layer: the server has no metadata: see Builder::metadata"))
    }

    pub(crate) fn has_metadata(&self) -> bool {
        self.state.responder.challenge.documents.is_some()
    }

    /// Returns the path of the document of a resource indicator; `None` if there is none.
    #[must_use]
    pub fn metadata_path(&self, indicator: &str) -> Option<String> {
        let documents = self.state.responder.challenge.documents.as_ref()?;
        documents.path(indicator, self.state.entries.load().documents()).map(str::to_owned)
    }
}
