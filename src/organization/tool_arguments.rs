//! The arguments of a tool call that policies read.

use std::sync::Arc;

/// Strings by name: an extension of a request that calls a tool.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToolArguments(Vec<(Arc<str>, String)>);

impl ToolArguments {
    pub(crate) fn new(arguments: Vec<(Arc<str>, String)>) -> Self {
        Self(arguments)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argument_is_found_by_its_name() {
        let arguments = [("org", "acme"), ("account", "7")].map(|(name, value)| (name.into(), value.to_owned()));
        let arguments = ToolArguments::new(arguments.to_vec());
        let found = ["org", "account", "other"].map(|name| arguments.get(name));
        assert_eq!(found, [Some("acme"), Some("7"), None]);
    }
}
