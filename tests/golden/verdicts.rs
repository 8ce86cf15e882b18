//! What must become of each token, written out.

use orgate::rejection::{RejectionKind, Remediation};

use crate::api::Refusal;

/// What three routes of one model, for one organization, answer: one that asks for a scope (`read:…`), one that asks for
/// none, one that asks for two (`read:…` and `delete:orders` or `manage:members`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// All three pass.
    Two,
    /// The token holds the first scope only.
    One,
    /// The token holds no scope.
    None,
    /// All three reject.
    Refused(Refusal),
}

/// What the routes for users and for machines answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Who {
    User,
    Machine,
    /// Both reject: this is no access token for the API.
    Nobody(Refusal),
}

/// Not what this API takes: an ID token, another issuer's token, another API's.
pub(crate) const INVALID: Refusal = (401, RejectionKind::InvalidToken, Remediation::Authenticate);
pub(crate) const OPAQUE: Refusal = (401, RejectionKind::OpaqueToken, Remediation::ResourceToken);
pub(crate) const EXPIRED: Refusal = (401, RejectionKind::ExpiredToken, Remediation::Refresh);
pub(crate) const NO_KEY: Refusal = (401, RejectionKind::KeyNotFound, Remediation::Refresh);
pub(crate) const NO_KEY_YET: Refusal = (401, RejectionKind::KeyNotFound, Remediation::Retry);
pub(crate) const DENIED: Refusal = (403, RejectionKind::Denied, Remediation::None);
pub(crate) const LACKS_SCOPE: Refusal = (403, RejectionKind::InsufficientScope, Remediation::RequestScope);
/// An organization's token, where one for the API is needed.
pub(crate) const WANTS_RESOURCE: Refusal = (403, RejectionKind::WrongModel, Remediation::ResourceToken);
/// A token for the API, where an organization's own is needed.
pub(crate) const WANTS_ORGANIZATION: Refusal = (403, RejectionKind::WrongModel, Remediation::OrganizationToken);
/// Another organization's token, or one for none.
pub(crate) const OTHER_ORGANIZATION: Refusal = (403, RejectionKind::WrongOrganization, Remediation::OrganizationToken);

type Line = (&'static str, Who, Verdict, [Verdict; 2], [Verdict; 2]);

/// Name; who; the API; the permissions of acme and of globex; the API in acme and in globex.
#[rustfmt::skip]
pub(crate) const VERDICTS: [Line; 63] = {
    use Verdict::{None, One, Two, Refused};
    use Who::{Machine, Nobody, User};
    const RES: Verdict = Refused(WANTS_RESOURCE);
    const URN: Verdict = Refused(WANTS_ORGANIZATION);
    const ORG: Verdict = Refused(OTHER_ORGANIZATION);
    const BAD: Verdict = Refused(INVALID);
    const OPQ: Verdict = Refused(OPAQUE);
    const NO: Who = Nobody(INVALID);
    const NO_OPQ: Who = Nobody(OPAQUE);
    [
        ("user_resource",                           User,    Two,  [URN, URN],  [ORG, ORG]),
        ("user_resource_one_scope",                 User,    One,  [URN, URN],  [ORG, ORG]),
        ("user_spa_resource",                       User,    Two,  [URN, URN],  [ORG, ORG]),
        ("user_pat_exchange",                       User,    Two,  [URN, URN],  [ORG, ORG]),
        ("user_bob_resource_no_global_role",        User,    One,  [URN, URN],  [ORG, ORG]),
        ("tx_user_resource",                        User,    Two,  [URN, URN],  [ORG, ORG]),
        ("tx_user_resource_act",                    User,    Two,  [URN, URN],  [ORG, ORG]),
        ("tx_user_resource_no_scope",               User,    None, [URN, URN],  [ORG, ORG]),
        ("custom_claims_user_resource",             User,    Two,  [URN, URN],  [ORG, ORG]),
        ("custom_claims_tx_user_resource",          User,    Two,  [URN, URN],  [ORG, ORG]),
        ("after_rotate_1_ec_user_resource",         User,    Two,  [URN, URN],  [ORG, ORG]),
        ("after_rotate_2_rsa_user_resource",        User,    Two,  [URN, URN],  [ORG, ORG]),
        ("after_rotate_3_rsa_user_resource",        User,    Two,  [URN, URN],  [ORG, ORG]),
        ("after_rotate_4_ec_user_resource",         User,    Two,  [URN, URN],  [ORG, ORG]),

        ("m2m_resource",                            Machine, Two,  [URN, URN],  [ORG, ORG]),
        ("m2m_resource_one_scope",                  Machine, One,  [URN, URN],  [ORG, ORG]),
        ("m2m_resource_unknown_scope",              Machine, One,  [URN, URN],  [ORG, ORG]),
        ("m2m_resource_no_scope_param",             Machine, None, [URN, URN],  [ORG, ORG]),
        ("m2m_resource_no_role",                    Machine, None, [URN, URN],  [ORG, ORG]),
        ("custom_claims_m2m_resource",              Machine, Two,  [URN, URN],  [ORG, ORG]),
        ("after_rotate_1_ec_m2m_resource",          Machine, Two,  [URN, URN],  [ORG, ORG]),
        ("after_rotate_2_rsa_m2m_resource",         Machine, Two,  [URN, URN],  [ORG, ORG]),
        ("after_rotate_3_rsa_m2m_resource",         Machine, Two,  [URN, URN],  [ORG, ORG]),
        ("after_rotate_4_ec_m2m_resource",          Machine, Two,  [URN, URN],  [ORG, ORG]),

        ("user_org",                                User,    RES,  [Two, ORG],  [RES, RES]),
        ("user_org_globex",                         User,    RES,  [ORG, One],  [RES, RES]),
        ("user_carol_org_no_role",                  User,    RES,  [ORG, None], [RES, RES]),
        ("tx_user_org",                             User,    RES,  [Two, ORG],  [RES, RES]),
        ("custom_claims_user_org",                  User,    RES,  [Two, ORG],  [RES, RES]),
        ("after_rotate_1_ec_user_org",              User,    RES,  [Two, ORG],  [RES, RES]),
        ("after_rotate_2_rsa_user_org",             User,    RES,  [Two, ORG],  [RES, RES]),
        ("after_rotate_3_rsa_user_org",             User,    RES,  [Two, ORG],  [RES, RES]),
        ("after_rotate_4_ec_user_org",              User,    RES,  [Two, ORG],  [RES, RES]),

        ("m2m_org",                                 Machine, RES,  [Two, ORG],  [RES, RES]),
        ("m2m_org_no_role",                         Machine, RES,  [None, ORG], [RES, RES]),
        ("m2m_org_no_scope_param",                  Machine, RES,  [None, ORG], [RES, RES]),
        ("custom_claims_m2m_org",                   Machine, RES,  [Two, ORG],  [RES, RES]),

        ("user_org_resource",                       User,    RES,  [URN, URN],  [Two, ORG]),
        ("user_org_resource_globex",                User,    RES,  [URN, URN],  [ORG, One]),
        ("user_bob_org_resource",                   User,    RES,  [URN, URN],  [One, ORG]),
        ("user_carol_org_resource_no_role",         User,    RES,  [URN, URN],  [ORG, None]),
        ("tx_user_org_resource",                    User,    RES,  [URN, URN],  [Two, ORG]),
        ("custom_claims_user_org_resource",         User,    RES,  [URN, URN],  [Two, ORG]),
        ("after_rotate_1_ec_user_org_resource",     User,    RES,  [URN, URN],  [Two, ORG]),
        ("after_rotate_2_rsa_user_org_resource",    User,    RES,  [URN, URN],  [Two, ORG]),
        ("after_rotate_3_rsa_user_org_resource",    User,    RES,  [URN, URN],  [Two, ORG]),
        ("after_rotate_4_ec_user_org_resource",     User,    RES,  [URN, URN],  [Two, ORG]),

        ("m2m_org_resource",                        Machine, RES,  [URN, URN],  [One, ORG]),
        ("m2m_org_resource_no_role",                Machine, RES,  [URN, URN],  [None, ORG]),

        ("id_token",                                NO,      BAD,  [BAD, BAD],  [BAD, BAD]),
        ("after_rotate_1_ec_id_token",              NO,      BAD,  [BAD, BAD],  [BAD, BAD]),
        ("after_rotate_2_rsa_id_token",             NO,      BAD,  [BAD, BAD],  [BAD, BAD]),
        ("after_rotate_3_rsa_id_token",             NO,      BAD,  [BAD, BAD],  [BAD, BAD]),
        ("after_rotate_4_ec_id_token",              NO,      BAD,  [BAD, BAD],  [BAD, BAD]),
        ("m2m_short_lived",                         NO,      BAD,  [BAD, BAD],  [BAD, BAD]),
        ("management_api",                          NO,      BAD,  [BAD, BAD],  [BAD, BAD]),

        ("user_opaque_code_flow",                   NO_OPQ,  OPQ,  [OPQ, OPQ],  [OPQ, OPQ]),
        ("user_opaque_refresh",                     NO_OPQ,  OPQ,  [OPQ, OPQ],  [OPQ, OPQ]),
        ("tx_user_opaque",                          NO_OPQ,  OPQ,  [OPQ, OPQ],  [OPQ, OPQ]),
        ("after_rotate_1_ec_user_opaque_code_flow", NO_OPQ,  OPQ,  [OPQ, OPQ],  [OPQ, OPQ]),
        ("after_rotate_2_rsa_user_opaque_code_flow",NO_OPQ,  OPQ,  [OPQ, OPQ],  [OPQ, OPQ]),
        ("after_rotate_3_rsa_user_opaque_code_flow",NO_OPQ,  OPQ,  [OPQ, OPQ],  [OPQ, OPQ]),
        ("after_rotate_4_ec_user_opaque_code_flow", NO_OPQ,  OPQ,  [OPQ, OPQ],  [OPQ, OPQ]),
    ]
};

/// The names of the tokens that this API accepts on some route.
pub(crate) fn accepted() -> impl Iterator<Item = &'static str> {
    VERDICTS.iter().filter(|line| !matches!(line.1, Who::Nobody(_))).map(|line| line.0)
}
