use std::io;

use super::*;

struct Fixed;

impl Surroundings for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "SECRET").then(|| "hush\"\n[listen]\nadmin = \"0.0.0.0:1\"".to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        if path == Path::new("/etc/orgate/key") { Ok("hush".to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

const API: &str = "[api]\nresource = \"https://api.example.com\"\npublic_url = \"https://api.example.com\"\n";

fn parsed(rest: &str) -> Result<Loaded, String> {
    parse(Source::new("/etc/orgate/gate.toml", format!("{API}{rest}")), &Fixed).map_err(|fault| fault.to_string())
}

fn fault(rest: &str) -> String {
    parsed(rest).err().expect("a fault")
}

#[test]
fn value_of_a_reference_adds_no_keys() {
    let loaded = parsed("[[issuer]]\nurl = \"https://i\"\nname = \"${SECRET}\"\n").unwrap();
    assert!(loaded.file.listen.admin.is_none());
    assert!(loaded.file.issuer[0].name.as_ref().unwrap().contains("[listen]"));
}

#[test]
fn files_that_were_read_are_listed() {
    let loaded = parsed("[identity]\nassertion_key = \"${file:key}\"\n").unwrap();
    assert_eq!(loaded.file.identity.assertion_key.unwrap().expose(), "hush");
    assert_eq!(loaded.read, [Path::new("/etc/orgate/gate.toml"), Path::new("/etc/orgate/key")]);
}

#[test]
fn unknown_key_is_a_fault_with_its_place() {
    for (rest, place) in [
        ("[listen]\nproxi = \"127.0.0.1:1\"\n", "gate.toml:5:1: unknown field `proxi`"),
        ("[[route]]\npath = \"/a\"\npolcy = \"resource\"\n", "gate.toml:6:1: unknown field `polcy`"),
        ("[issuers]\n", "gate.toml:4:2: unknown field `issuers`"),
    ] {
        assert!(fault(rest).contains(place), "{}", fault(rest));
    }
}

#[test]
fn value_of_another_type_is_a_fault_that_keeps_the_secret() {
    let fault = fault("[limits]\nmax_header_bytes = \"${SECRET}\"\n");
    assert!(fault.contains("gate.toml:5:20"), "{fault}");
    assert!(fault.contains("${SECRET}") && !fault.contains("hush"), "{fault}");
}

#[test]
fn missing_reference_is_a_fault_that_repeats_what_was_written() {
    assert_eq!(
        fault("[[issuer]]\nurl = \"https://i\"\nname = \"${GONE}\"\n"),
        "/etc/orgate/gate.toml:6:8: the environment variable GONE is not set, or is not UTF-8: \"${GONE}\""
    );
}

#[test]
fn text_that_is_no_toml_is_a_fault_with_its_place() {
    assert!(fault("[listen\n").contains("gate.toml:4:"), "{}", fault("[listen\n"));
}

#[test]
fn debug_output_holds_no_value() {
    let loaded = parsed("[identity]\nassertion_key = \"${file:key}\"\nheader = \"${file:key}\"\n").unwrap();
    assert!(!format!("{:?}", loaded.file).contains("hush"));
}

#[test]
fn later_fault_shows_the_reference_in_place_of_its_value() {
    let loaded = parsed("[identity]\nassertion_key = \"${file:key}\"\n").unwrap();
    let fault = loaded.source.fault("url \"https://hush@example.com\"");
    assert_eq!(fault.to_string(), "/etc/orgate/gate.toml: url \"https://${file:key}@example.com\"");
}
