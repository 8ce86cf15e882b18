use super::*;

fn call(body: &str) -> Result<Call, Fault> {
    Message::parse(body.as_bytes(), &["org".into()], false).map(|message| message.call)
}

fn tool(name: &str, arguments: &[(&str, &str)]) -> Call {
    let arguments = arguments.iter().map(|(name, value)| ((*name).into(), (*value).to_owned())).collect();
    Call::One(Kind::Tool, name.to_owned(), arguments)
}

#[test]
fn what_a_message_calls() {
    for (body, expected) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, Call::Basic),
        (r#"{"method":"notifications/initialized"}"#, Call::Basic),
        (r#"{"id":1,"result":{"name":"x"}}"#, Call::Basic),
        (r#"{"id":1,"error":{}}"#, Call::Basic),
        (r#"{"method":"tasks/list"}"#, Call::Unknown),
        (r#"{"method":"Tools/call","params":{"name":"a"}}"#, Call::Unknown),
        (r#"{"method":"tools/call","params":{"name":"a"}}"#, tool("a", &[])),
        (r#"{"method":"tools\/call","params":{"n\u0061me":"\u0061"}}"#, tool("a", &[])),
        (
            r#"{"params":{"arguments":{"org":"acme","x":1},"name":"a"},"method":"tools/call"}"#,
            tool("a", &[("org", "acme")]),
        ),
        (r#"{"method":"tools/call","params":{"name":"a","arguments":{"org":["acme"]}}}"#, tool("a", &[])),
        (r#"{"method":"tools/call","params":{"name":"a","arguments":null}}"#, tool("a", &[])),
        (r#"{"method":"prompts/get","params":{"name":"p"}}"#, Call::One(Kind::Prompt, "p".into(), vec![])),
        (r#"{"method":"resources/read","params":{"uri":"a:b"}}"#, Call::One(Kind::Resource, "a:b".into(), vec![])),
        (r#"{"method":"resources/subscribe","params":{"uri":"a:b"}}"#, Call::One(Kind::Resource, "a:b".into(), vec![])),
        (
            r#"{"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"}}}"#,
            Call::One(Kind::Prompt, "p".into(), vec![]),
        ),
        (
            r#"{"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"a:b"}}}"#,
            Call::One(Kind::Resource, "a:b".into(), vec![]),
        ),
        (r#"{"method":"subscriptions/listen","params":{"notifications":{}}}"#, Call::Resources(vec![])),
        (
            r#"{"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["b:","a:","b:"]}}}"#,
            Call::Resources(vec!["a:".into(), "b:".into()]),
        ),
    ] {
        assert_eq!(call(body).unwrap(), expected, "{body}");
    }
}

#[test]
fn a_message_that_can_be_read_in_two_ways_is_rejected() {
    for body in [
        "",
        "null",
        "[]",
        r#"[{"method":"tools/call","params":{"name":"a"}}]"#,
        r#"{"method":"tools/call","params":{"name":"a"}} {}"#,
        r#"{"jsonrpc":"2.0"}"#,
        r#"{"method":1}"#,
        r#"{"method":null,"result":1}"#,
        r#"{"method":"ping","result":1}"#,
        r#"{"method":"ping","method":"tools/call"}"#,
        r#"{"method":"ping","Method":"tools/call"}"#,
        r#"{"method":"ping","m\u0065thod":"tools/call"}"#,
        r#"{"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}"#,
        r#"{"method":"tools/call","params":{"name":"a","name":"b"}}"#,
        r#"{"method":"tools/call","params":{"name":"a","NAME":"b"}}"#,
        r#"{"method":"tools/call","params":{"name":"a","argument\u017f":{}}}"#,
        r#"{"method":"tools/call","params":{"name":"a","arguments":{"org":"a","org":"b"}}}"#,
        r#"{"method":"tools/call","params":{"name":"a","arguments":{"org":"a","Org":"b"}}}"#,
        r#"{"method":"tools/call","params":{"name":"a","arguments":[]}}"#,
        r#"{"method":"tools/call","params":{"name":["a"]}}"#,
        r#"{"method":"tools/call","params":["a"]}"#,
        r#"{"method":"tools/call","params":"a"}"#,
        r#"{"method":"tools/call"}"#,
        r#"{"method":"resources/read","params":{"name":"a"}}"#,
        r#"{"method":"completion/complete","params":{"ref":{"type":"ref/tool","name":"a"}}}"#,
        r#"{"method":"completion/complete","params":{}}"#,
        r#"{"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":"a:"}}}"#,
        "{\"method\":\"p\u{ff}\"",
        "\u{feff}{\"method\":\"ping\"}",
    ] {
        assert!(call(body).is_err(), "{body}");
    }
    assert!(Message::parse(b"{\"method\":\"p\xff\"}", &[], false).is_err(), "not UTF-8");
    let many: Vec<String> = (0..65).map(|n| format!("\"a:{n}\"")).collect();
    let listen = format!(
        r#"{{"method":"subscriptions/listen","params":{{"notifications":{{"resourceSubscriptions":[{}]}}}}}}"#,
        many.join(",")
    );
    assert!(call(&listen).is_err(), "too many resources");
}

#[test]
fn a_method_that_the_version_does_not_have_any_more_is_unknown() {
    let body = br#"{"method":"resources/subscribe","params":{"uri":"a:b"}}"#;
    assert_eq!(Message::parse(body, &[], true).unwrap().call, Call::Unknown);
    assert_ne!(Message::parse(body, &[], false).unwrap().call, Call::Unknown);
}

#[test]
fn folding_is_that_of_unicode() {
    assert_eq!(fold("argument\u{17f}"), "arguments");
    assert_eq!(fold("to\u{212a}en"), "token");
    assert_eq!(fold("NAME"), "name");
}

#[test]
fn headers_must_say_what_the_body_says() {
    let body = br#"{"method":"tools/call","params":{"name":"a"}}"#;
    let message = Message::parse(body, &[], true).unwrap();
    let agrees = |method: Option<&str>, name: Option<&str>| {
        let headers =
            Headers { method: method.map(str::to_owned), name: name.map(str::to_owned), ..Headers::default() };
        message.agrees(body, &headers).is_ok()
    };
    assert!(agrees(None, None) && agrees(Some("tools/call"), None) && agrees(Some("tools/call"), Some("a")));
    assert!(
        !agrees(Some("tools/list"), Some("a")) && !agrees(Some("tools/call"), Some("b")) && !agrees(None, Some("a"))
    );
}
