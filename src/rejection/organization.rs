//! The causes of a rejection for the organization.

/// Why the organization of the request and that of the token do not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrongOrganization {
    /// The request names none, or not clearly.
    NotNamed,
    /// The token is for none.
    NoneInToken,
    /// They differ.
    Other,
}

impl WrongOrganization {
    /// The fixed sentence for the client, without the id of either.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::NotNamed => "The request does not name exactly one organization.",
            Self::NoneInToken => "The access token is not for an organization.",
            Self::Other => "The access token is not for the organization that the request names.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_can_stand_in_challenges_and_grpc_messages() {
        for cause in [WrongOrganization::NotNamed, WrongOrganization::NoneInToken, WrongOrganization::Other] {
            let text = cause.description();
            assert!(text.bytes().all(|byte| matches!(byte, 0x20..=0x7E) && !b"\"\\=%".contains(&byte)), "{text}");
        }
    }
}
