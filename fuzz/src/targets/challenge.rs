//! What goes into a challenge, from a configuration: whatever is accepted, two readers find exactly that in it.

use orgate::policy::resource;
use orgate::scope::Scope;

use crate::challenges;
use crate::world::{at_once, request, server};

/// Three lines: the realm, the URL of the metadata, and a scope.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let [realm, url, scope] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let mut builder = server().realm(realm);
    if !url.is_empty() {
        builder = builder.resource_metadata(url);
    }
    let Ok(server) = builder.build() else { return };
    let policy = if Scope::new(scope).is_ok() { resource().scope(scope) } else { resource() };
    let requirement = server.requirement(policy).unwrap();
    let mut parts = request("GET", "/", None);
    let rejection = at_once(requirement.authorize(&mut parts)).unwrap_err();
    let response = requirement.response(rejection, &parts);
    let values: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
    let [value] = &*values else { panic!("{values:?}") };
    let (scheme, parameters) = challenges::read(value);
    assert_eq!(scheme, "Bearer");
    let expected = [
        ("realm", Some(realm)),
        ("resource_metadata", Some(url).filter(|url| !url.is_empty())),
        ("scope", Some(scope).filter(|scope| Scope::new(scope).is_ok())),
        ("error", None),
    ];
    for (name, expected) in expected {
        let found = parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(found, expected, "{name} in {value:?}");
        assert_eq!(challenges::by_search(value, name).as_deref(), expected, "{name} in {value:?}");
    }
    // A list of challenges in one header is for those who cannot read several.
    assert!(value.len() <= realm.len() + url.len() + scope.len() + 128);
}
