//! The sources of the grammar.

use super::error::ParseError;
use super::reader::Reader;
use crate::organization::{RequestSource, argument, header, path, subdomain};

/// Where a request names what it is about.
pub(in crate::policy) fn source(reader: &mut Reader<'_>) -> Result<RequestSource, ParseError> {
    let at = reader.mark();
    let source = if reader.take("path") {
        reader.expect_symbol('{')?;
        let name = reader.name("the name of a path parameter")?;
        reader.expect_symbol('}')?;
        path(&name)
    } else if reader.take("header") {
        header(&reader.name("the name of a header")?)
    } else if reader.take("subdomain") {
        reader.expect("of")?;
        subdomain(&reader.name("a domain")?)
    } else if reader.take("argument") {
        argument(&reader.name("the name of a tool's argument")?)
    } else if reader.take("custom") {
        let at = reader.mark();
        let label = reader.string("the label of a closure, as a string")?;
        reader.code().source(&label).ok_or_else(|| reader.unknown(at, "custom", &label))?
    } else {
        return Err(reader.expected("`path {..}`, `header`, `subdomain of`, `argument` or `custom`"));
    };
    match source.fault() {
        Some(fault) => Err(reader.contradiction(at, fault)),
        None => Ok(source),
    }
}
