use orgate::change::redis::Redis;
use orgate::server::Builder;
use orgate::token::binding::{Dpop, MutualTls, Nonces};

use super::issuer::algorithm;
use crate::config::{Dpop as Table, Fault, File, Secret, Source};
use crate::request::{ClientCertificate, REQUEST_ID};

/// Accepts the sender-constrained tokens that the file turns on.
pub(super) fn bindings(
    source: &Source,
    file: &File,
    mut builder: Builder,
    redis: Option<&Redis>,
) -> Result<Builder, Fault> {
    if let Some(table) = &file.dpop {
        let dpop = dpop(source, file, table)?;
        builder = builder.dpop(match redis {
            Some(redis) => dpop.replay_store(redis.clone()),
            None => dpop,
        });
    }
    if knows_certificates(file) {
        builder = builder.mutual_tls(MutualTls::connection(|extensions| {
            extensions.get::<ClientCertificate>().map(ClientCertificate::der)
        }));
    }
    if file.api.require_sender_constrained {
        builder = builder.require_sender_constrained();
    }
    Ok(builder)
}

/// Whether a face can learn the certificate of a client.
pub(super) fn knows_certificates(file: &File) -> bool {
    let by_tls = file.tls.as_ref().and_then(|tls| tls.client_ca.as_ref()).is_some_and(|ca| ca.as_str() != "none");
    let by_header = file.forward_auth.as_ref().is_some_and(|table| table.client_certificate_header.is_some());
    by_tls || by_header || file.ext_authz.client_certificates
}

fn dpop(source: &Source, file: &File, table: &Table) -> Result<Dpop, Fault> {
    let mut dpop = Dpop::new(file.api.public_url.as_str()).dangerous_request_id_header(REQUEST_ID);
    for url in &table.public_url {
        dpop = dpop.public_url(url.as_str());
    }
    if let Some(names) = &table.algorithms {
        dpop = dpop.algorithms(names.iter().map(|name| algorithm(source, name)).collect::<Result<Vec<_>, _>>()?);
    }
    if let Some(text) = &table.window {
        dpop = dpop.window(source.duration(text)?);
    }
    if let Some(proofs) = table.replay_capacity {
        dpop = dpop.replay_capacity(proofs);
    }
    if let Some(text) = &table.replay_timeout {
        dpop = dpop.replay_timeout(source.duration(text)?);
    }
    Ok(match nonces(source, table)? {
        Some(nonces) => dpop.nonces(nonces),
        None => dpop,
    })
}

#[derive(Clone, Copy)]
enum Wanted {
    None,
    OnDemand,
    Required,
}

fn nonces(source: &Source, table: &Table) -> Result<Option<Nonces>, Fault> {
    let words = [("none", Wanted::None), ("on_demand", Wanted::OnDemand), ("required", Wanted::Required)];
    let wanted = table.nonces.as_ref().map_or(Ok(Wanted::None), |text| source.word(text, &words))?;
    let mut nonces = match wanted {
        Wanted::OnDemand => Nonces::on_demand(),
        Wanted::Required => Nonces::required(),
        Wanted::None => {
            return match (table.nonce_secrets.first(), &table.nonce_lifetime) {
                (Some(secret), _) => Err(source.fault_at(secret.span(), "`nonce_secrets` needs `nonces`")),
                (None, Some(text)) => Err(source.fault_of(text.span(), "`nonce_lifetime` needs `nonces`")),
                (None, None) => Ok(None),
            };
        }
    };
    // The first one makes nonces.
    for secret in table.nonce_secrets.iter().map(Secret::expose) {
        nonces = nonces.also_accept(secret);
    }
    if let Some(text) = &table.nonce_lifetime {
        nonces = nonces.lifetime(source.duration(text)?);
    }
    Ok(Some(nonces))
}
