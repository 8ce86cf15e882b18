use std::time::Duration;

use orgate::change::redis::{AfterLoss, Redis, RedisBuilder, WhenBehind};
use orgate::change::{FileSettings, FileSync};

use crate::config::{Fault, File, Secret, Source, State};

/// Makes the log that replicas share. Connects to nothing.
pub(super) fn redis(source: &Source, file: &File) -> Result<Option<Redis>, Fault> {
    let Some(table) = &file.state else { return Ok(None) };
    let Some(url) = &table.redis else {
        return match only_with_redis(table) {
            Some(name) => Err(source.fault(format!("[state]: `{name}` needs `redis`"))),
            None if table.file.is_none() => Err(source.fault("[state] names neither `redis` nor a `file`")),
            None => Ok(None),
        };
    };
    let Some(name) = &table.name else {
        return Err(source.fault_at(url.span(), "`redis` needs a `name`, which the replicas of one fleet share"));
    };
    let builder = settings(source, table, Redis::builder(url.expose(), name.as_str()), url)?;
    builder.build().map(Some).map_err(|error| source.fault_at(url.span(), error.to_string()))
}

fn settings(source: &Source, table: &State, mut builder: RedisBuilder, url: &Secret) -> Result<RedisBuilder, Fault> {
    let Some(when_behind) = &table.when_behind else {
        return Err(source.fault_at(url.span(), "`redis` needs `when_behind`: refuse or go_on"));
    };
    let words = [("refuse", WhenBehind::Refuse), ("go_on", WhenBehind::GoOn)];
    builder = builder.when_behind(source.word(when_behind, &words)?);
    if let Some(text) = &table.after_loss {
        let words = [("refuse_older", AfterLoss::RefuseOlder), ("go_on", AfterLoss::GoOn)];
        builder = builder.after_loss(source.word(text, &words)?);
    }
    if !table.mac_keys.is_empty() {
        builder = builder.secrets(table.mac_keys.iter().map(Secret::expose));
    }
    if let Some(sentinel) = &table.sentinel {
        let others = sentinel.others.iter().map(Secret::expose);
        builder = builder.sentinel(sentinel.primary.as_str(), sentinel.credentials.expose(), others);
    }
    if let Some(text) = &table.bound {
        builder = builder.bound(source.duration(text)?);
    }
    if let Some(text) = &table.beat {
        builder = builder.beat(source.duration(text)?);
    }
    if let Some(copies) = table.copies {
        builder = builder.copies(copies);
    }
    if let Some(text) = &table.reconcile_every {
        builder = builder.reconcile_every(source.duration(text)?);
    }
    if let Some(pem) = &table.root_certificate {
        builder = builder.root_certificate_pem(pem.as_str());
    }
    match (&table.client_certificate, &table.client_key) {
        (Some(chain), Some(key)) => Ok(builder.client_certificate_pem(chain.as_str(), key.expose())),
        (Some(chain), None) => Err(source.fault_of(chain.span(), "`client_certificate` needs a `client_key`")),
        (None, Some(key)) => Err(source.fault_at(key.span(), "`client_key` needs a `client_certificate`")),
        (None, None) => Ok(builder),
    }
}

/// Returns a key that says something about Redis.
fn only_with_redis(table: &State) -> Option<&'static str> {
    let keys = [
        ("name", table.name.is_some()),
        ("when_behind", table.when_behind.is_some()),
        ("after_loss", table.after_loss.is_some()),
        ("mac_keys", !table.mac_keys.is_empty()),
        ("sentinel", table.sentinel.is_some()),
        ("bound", table.bound.is_some()),
        ("beat", table.beat.is_some()),
        ("copies", table.copies.is_some()),
        ("reconcile_every", table.reconcile_every.is_some()),
        ("root_certificate", table.root_certificate.is_some()),
        ("client_certificate", table.client_certificate.is_some()),
        ("client_key", table.client_key.is_some()),
    ];
    keys.into_iter().find(|(_, is_there)| *is_there).map(|(name, _)| name)
}

/// Reads where changes are kept on this machine. Opens nothing.
pub(super) fn file(source: &Source, file: &File) -> Result<Option<FileSettings>, Fault> {
    let Some(table) = &file.state else { return Ok(None) };
    let Some(path) = &table.file else {
        return match &table.file_sync {
            Some(text) => Err(source.fault_of(text.span(), "`file_sync` needs a `file`")),
            None => Ok(None),
        };
    };
    let settings = FileSettings::new(source.folder().join(path.as_str()));
    let Some(text) = &table.file_sync else { return Ok(Some(settings)) };
    let interval = match text.as_str() {
        "each_batch" => FileSync::EachBatch,
        "never" => FileSync::Never,
        _ => FileSync::Every(sync_interval(source, text)?),
    };
    Ok(Some(settings.sync(interval)))
}

fn sync_interval(source: &Source, text: &crate::config::Text) -> Result<Duration, Fault> {
    source.duration(text).map_err(|_| source.fault_of(text.span(), "expected each_batch, never, or an interval"))
}
