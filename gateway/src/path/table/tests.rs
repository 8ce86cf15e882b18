use super::*;
use crate::path::read;

fn table(trailing_slash: TrailingSlash, routes: &[(&str, &[&str])]) -> Table<String> {
    let mut table = Table::new(trailing_slash);
    for (pattern, methods) in routes {
        let methods = (!methods.is_empty()).then(|| methods.iter().map(|method| method.parse().unwrap()).collect());
        table.insert(pattern, methods, Oddities::default(), (*pattern).to_owned()).unwrap();
    }
    table
}

fn found(table: &Table<String>, target: &str) -> String {
    match table.find(&Method::GET, &read(target).unwrap()) {
        Match::Route { route, params, .. } => {
            let params: Vec<String> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
            [&[route.clone()][..], &params].concat().join(" ")
        }
        Match::Nothing => "nothing".to_owned(),
        Match::WrongMethod { .. } => "method".to_owned(),
        Match::Refused(fault) => fault.to_string(),
    }
}

#[test]
fn path_is_matched_decoded() {
    let table = table(TrailingSlash::Distinct, &[("/orgs/{org}/orders", &[]), ("/admin", &[]), ("/{*rest}", &[])]);
    assert_eq!(found(&table, "/orgs/%61cme/orders?x=/admin"), "/orgs/{org}/orders org=acme");
    assert_eq!(found(&table, "/%61dmin"), "/admin");
    assert_eq!(found(&table, "/orgs/a%25b/orders"), "/orgs/{org}/orders org=a%b");
    assert_eq!(found(&table, "/other/x"), "/{*rest} rest=other/x");
}

#[test]
fn spelling_of_a_stricter_route_never_falls_to_a_wildcard() {
    let table = table(
        TrailingSlash::Distinct,
        &[("/admin", &[]), ("/admin/{id}", &[]), ("/users/me", &[]), ("/users/{id}", &[]), ("/{*rest}", &[])],
    );
    for target in [
        "/ADMIN",
        "/Admin/",
        "/admin/",
        "/admin;x=1",
        "/admin.",
        "/admin%20",
        "/ADMIN/7",
        "/admin/7/",
        "/admin;x/7",
        "/users/ME",
        "/users/me/",
        "/%41dmin",
        "/adm%C4%B0n",
    ] {
        let expected = if target == "/adm%C4%B0n" { "/{*rest} rest=admİn" } else { "nothing" };
        assert_eq!(found(&table, target), expected, "{target}");
    }
    // To a server that drops parameters and merges slashes these are `/admin` and `/users/me`.
    for target in ["/;x/admin", "/;/admin", "/%3B/admin", "/%20/admin", "//admin", "/;x/users/;y/me", "/users/;/me"] {
        assert_eq!(found(&table, target), PathFault::EmptySegment.to_string(), "{target}");
    }
    for target in ["/admin/;x", "/admin/%20", "/users/me/;x"] {
        assert_eq!(found(&table, target), "nothing", "{target}");
    }
    assert_eq!(found(&table, "/admin/A"), "/admin/{id} id=A");
    assert_eq!(found(&table, "/users/you"), "/users/{id} id=you");
    assert_eq!(found(&table, "/Other/"), "/{*rest} rest=Other/");
}

#[test]
fn trailing_slash_is_distinct_unless_said_otherwise() {
    let routes: &[(&str, &[&str])] = &[("/a", &[]), ("/b/", &[]), ("/", &[])];
    let distinct = table(TrailingSlash::Distinct, routes);
    assert_eq!(found(&distinct, "/a/"), "nothing");
    assert_eq!(found(&distinct, "/b"), "nothing");
    let same = table(TrailingSlash::Same, routes);
    assert_eq!(found(&same, "/a/"), "/a");
    assert_eq!(found(&same, "/b"), "/b/");
    assert_eq!(found(&same, "/"), "/");
}

#[test]
fn method_decides_among_routes_of_one_path() {
    let table = table(TrailingSlash::Distinct, &[("/a", &["GET"]), ("/a", &["DELETE", "POST"])]);
    let path = read("/a").unwrap();
    assert!(matches!(table.find(&Method::HEAD, &path), Match::Route { .. }));
    let Match::WrongMethod { allow } = table.find(&Method::PUT, &path) else { panic!("found a route") };
    assert_eq!(allow, [Method::GET, Method::DELETE, Method::POST, Method::HEAD]);
    let lower = Method::from_bytes(b"get").unwrap();
    assert!(matches!(table.find(&lower, &path), Match::WrongMethod { .. }));
}

#[test]
fn relaxed_route_takes_a_slash_inside_a_segment() {
    let mut table = Table::new(TrailingSlash::Distinct);
    let allowed = Oddities { encoded_slash: true, ..Oddities::default() };
    table.insert("/files/{name}", None, allowed, "files".to_owned()).unwrap();
    table.insert("/strict/{name}", None, Oddities::default(), "strict".to_owned()).unwrap();
    assert_eq!(found(&table, "/files/a%2Fb"), "files name=a/b");
    assert_eq!(found(&table, "/strict/a%2Fb"), "the path has an encoded slash");
}

#[test]
fn faulty_and_overlapping_routes_are_rejected() {
    let mut table = table(TrailingSlash::Same, &[("/a/{x}", &["GET"]), ("/b", &[])]);
    let mut insert = |pattern: &str, methods: Option<Vec<Method>>| {
        table.insert(pattern, methods, Oddities::default(), String::new()).unwrap_err()
    };
    assert_eq!(insert("/a/{x}/", Some(vec![Method::GET])), TableError::Shadowed);
    assert_eq!(insert("/b/", Some(vec![Method::GET])), TableError::Shadowed);
    assert!(matches!(insert("/a/{y}", None), TableError::Router(_)));
    for pattern in [
        "a",
        "/a//b",
        "/a/../b",
        "/a%20b",
        "/:id",
        "/*rest",
        "/x{id}",
        "/a?b",
        "/{a}{b}",
        "/..;x",
        "/.../x",
        "/;x/a",
        "/{a}/{a}",
        "/{a}/{*a}",
    ] {
        assert!(matches!(insert(pattern, None), TableError::Pattern(_) | TableError::Router(_)), "{pattern}");
    }
}

#[test]
fn parameter_never_takes_a_segment_that_a_server_drops() {
    let routes: &[(&str, &[&str])] = &[("/orgs/{org}/billing", &[]), ("/orgs/{org}/{kind}/{id}", &[])];
    let table = table(TrailingSlash::Distinct, routes);
    assert_eq!(found(&table, "/orgs/acme/a/b"), "/orgs/{org}/{kind}/{id} org=acme kind=a id=b");
    for target in ["/orgs/acme/;/billing", "/orgs/acme/;x=1/billing", "/orgs/acme/%20/billing", "/orgs/;/acme/billing"]
    {
        assert_eq!(found(&table, target), PathFault::EmptySegment.to_string(), "{target}");
    }
    for target in ["/orgs/acme/.../billing", "/orgs/acme/..%20/billing"] {
        assert!(matches!(read(target), Err(PathFault::DotSegment)), "{target}");
    }
}
