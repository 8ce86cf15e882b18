//! Which test shows which clause of RFC 9449 (DPoP), RFC 8705 (mutual TLS), RFC 9470 (step-up) and RFC 9396 (authorization
//! details), for a resource server.

use std::collections::BTreeSet;

/// A clause, what it says, and the tests that fail if it is broken: each is in a file of this suite.
struct Clause(&'static str, &'static str, &'static [&'static str]);

const FILES: [(&str, &str); 10] = [
    ("certificates", include_str!("certificates.rs")),
    ("details", include_str!("details.rs")),
    ("flood", include_str!("flood.rs")),
    ("introspection/conditions", include_str!("../introspection/conditions.rs")),
    ("layers", include_str!("layers.rs")),
    ("metadata/documents", include_str!("../metadata/documents.rs")),
    ("nonces", include_str!("nonces.rs")),
    ("proofs", include_str!("proofs.rs")),
    ("replays", include_str!("replays.rs")),
    ("step_up", include_str!("step_up.rs")),
];

/// How many clauses each specification has here.
const COUNTS: [(&str, usize); 4] = [("9449", 11), ("8705", 5), ("9470", 5), ("9396", 5)];

const CLAUSES: [Clause; 26] = [
    Clause(
        "9449-1",
        "exactly one DPoP header, with one well-formed JWT",
        &[
            "proofs::exactly_one_proof_is_needed",
            "proofs::a_hostile_proof_is_rejected",
            "proofs::a_member_that_is_named_twice_is_rejected",
        ],
    ),
    Clause(
        "9449-2",
        "jti, htm, htu, iat and ath are present, and typ is dpop+jwt",
        &["proofs::a_hostile_proof_is_rejected"],
    ),
    Clause(
        "9449-3",
        "an asymmetric, allowed algorithm; the signature by the embedded key, which has no private part",
        &[
            "proofs::a_hostile_proof_is_rejected",
            "proofs::every_allowed_algorithm_signs_proofs",
            "proofs::a_private_key_in_a_proof_is_rejected",
        ],
    ),
    Clause(
        "9449-4",
        "htm is the method and htu the target, normalized on both sides",
        &[
            "proofs::a_hostile_proof_is_rejected",
            "proofs::the_claims_of_a_host_header_change_nothing",
            "proofs::a_prefix_that_a_proxy_removes_is_part_of_the_target",
            "proofs::below_a_nested_router_the_target_is_the_whole_path",
            "replays::an_id_is_used_once_for_a_target_however_it_is_spelled",
        ],
    ),
    Clause(
        "9449-5",
        "a nonce that was given must be in the proof",
        &[
            "nonces::a_client_repeats_its_request_with_the_nonce_of_the_response",
            "nonces::a_nonce_of_a_stranger_is_rejected_and_one_of_a_replica_passes",
        ],
    ),
    Clause(
        "9449-6",
        "iat is in a short window, and a jti passes once for a target within it",
        &[
            "proofs::iat_is_accepted_from_the_window_and_leeway_before_now_to_the_leeway_after",
            "replays::a_replay_is_rejected_until_the_proof_has_expired",
            "replays::an_id_is_used_once_for_a_target_however_it_is_spelled",
            "replays::no_proof_passes_twice",
            "replays::of_many_requests_with_one_proof_one_passes",
            "replays::a_shared_memory_rejects_a_replay_at_another_replica",
            "replays::repeats_in_every_order_pass_once_each",
            "flood::proofs_that_are_sent_again_ten_thousand_times_pass_once_each",
        ],
    ),
    Clause(
        "9449-7",
        "ath is the digest of the token, and the key is the one that the token is bound to",
        &["proofs::a_hostile_proof_is_rejected"],
    ),
    Clause(
        "9449-8",
        "the scheme DPoP with one token; nothing is granted unless everything holds",
        &[
            "proofs::a_bound_token_with_its_proof_passes",
            "proofs::a_token_that_is_invalid_is_rejected_before_its_proof",
            "proofs::a_bad_proof_is_rejected_before_the_policy_speaks",
            "layers::under_an_optional_policy_a_bad_proof_is_rejected",
        ],
    ),
    Clause("9449-9", "a bound token sent as Bearer is refused", &["proofs::a_bound_token_sent_as_bearer_is_rejected"]),
    Clause(
        "9449-10",
        "the challenge names the algorithms and the error; at most one DPoP-Nonce",
        &[
            "proofs::a_hostile_proof_is_rejected",
            "nonces::a_client_repeats_its_request_with_the_nonce_of_the_response",
            "nonces::without_nonces_none_is_sent",
        ],
    ),
    Clause(
        "9449-11",
        "no error without credentials, and then on the scheme that was tried",
        &[
            "proofs::a_request_without_a_token_is_told_both_schemes",
            "proofs::a_bound_token_sent_as_bearer_is_rejected",
            "step_up::step_up_of_a_bound_token_is_asked_for_on_the_scheme_that_was_tried",
        ],
    ),
    Clause(
        "8705-1",
        "the digest of the certificate of the connection is the token's x5t#S256",
        &["certificates::the_certificate_of_the_connection_must_be_the_tokens"],
    ),
    Clause(
        "8705-2",
        "another certificate, or none: 401 invalid_token",
        &[
            "certificates::the_certificate_of_the_connection_must_be_the_tokens",
            "certificates::without_a_source_a_bound_token_is_rejected_whatever_the_headers_say",
            "certificates::a_token_that_is_bound_twice_needs_both",
        ],
    ),
    Clause(
        "8705-3",
        "behind a terminator, only its own header counts",
        &[
            "certificates::the_headers_of_proxies_name_the_certificate",
            "certificates::a_header_from_an_untrusted_peer_is_no_certificate",
        ],
    ),
    Clause(
        "8705-4",
        "the metadata says that tokens are bound to certificates",
        &["metadata/documents::sender_constrained_tokens_are_announced"],
    ),
    Clause(
        "8705-5",
        "a certificate that signs itself binds as well as others",
        &["certificates::the_certificate_of_the_connection_must_be_the_tokens"],
    ),
    Clause(
        "9470-1",
        "a sign-in that is too weak or too old: 401 insufficient_user_authentication",
        &[
            "step_up::sign_in_that_is_missing_odd_or_of_another_context_is_asked_for",
            "step_up::sign_in_that_is_missing_odd_or_too_long_ago_is_asked_for",
            "step_up::known_token_is_judged_by_the_time_of_the_request",
        ],
    ),
    Clause(
        "9470-2",
        "acr_values are in order of preference, and the token's acr must be one of them",
        &["step_up::sign_in_that_is_missing_odd_or_of_another_context_is_asked_for"],
    ),
    Clause(
        "9470-3",
        "max_age is a number of seconds; without auth_time, or later than that, it is asked for",
        &["step_up::sign_in_that_is_missing_odd_or_too_long_ago_is_asked_for"],
    ),
    Clause(
        "9470-4",
        "both in one challenge, and the scope where one is lacking too",
        &["step_up::challenge_names_all_that_the_clause_requires_of_a_sign_in_and_scopes_only_if_one_is_missing"],
    ),
    Clause(
        "9470-5",
        "only who holds a valid token learns what is required",
        &["step_up::token_that_is_not_valid_learns_nothing_of_the_sign_in_that_is_required"],
    ),
    Clause(
        "9396-1",
        "an array of objects, each with a type; those for this server are enforced",
        &[
            "details::detail_of_exactly_this_type_that_passes_the_check_is_needed",
            "details::claim_of_another_form_passes_no_condition_whatever_else_is_in_it",
        ],
    ),
    Clause(
        "9396-2",
        "types and locations of other servers are ignored",
        &[
            "details::detail_of_exactly_this_type_that_passes_the_check_is_needed",
            "details::detail_for_other_locations_does_not_count",
        ],
    ),
    Clause(
        "9396-3",
        "types are compared exactly, and unknown members grant nothing",
        &["details::detail_of_exactly_this_type_that_passes_the_check_is_needed"],
    ),
    Clause(
        "9396-4",
        "introspection answers have the same structure",
        &["introspection/conditions::sign_in_and_authorization_details_are_those_of_the_answer"],
    ),
    Clause(
        "9396-5",
        "details beside scopes by a policy that says so; their presence alone changes nothing",
        &[
            "details::claim_of_another_form_passes_no_condition_whatever_else_is_in_it",
            "details::check_sees_detail_and_request_and_its_error_is_the_source_of_the_rejection",
        ],
    ),
];

#[test]
fn every_clause_has_its_tests() {
    let mut ids = BTreeSet::new();
    for Clause(id, text, tests) in &CLAUSES {
        assert!(ids.insert(*id), "{id} is there twice");
        assert!(!text.is_empty() && !tests.is_empty(), "{id}");
        for test in *tests {
            let (file, name) = test.split_once("::").unwrap();
            let (_, source) = FILES.iter().find(|(known, _)| *known == file).expect(file);
            let function = format!("fn {name}(");
            assert_eq!(source.matches(&function).count(), 1, "{id}: {test}");
            let before = source.split(&function).next().unwrap();
            let attributes = before.rsplit("\n\n").next().unwrap();
            assert!(["#[test]", "#[tokio::test"].iter().any(|it| attributes.contains(it)), "{id}: {test} is no test");
            assert!(!attributes.contains("ignore"), "{id}: {test} is ignored");
        }
    }
    let expected = COUNTS.iter().flat_map(|(rfc, count)| (1..=*count).map(move |number| format!("{rfc}-{number}")));
    assert_eq!(ids, expected.collect::<BTreeSet<_>>().iter().map(String::as_str).collect());
}
