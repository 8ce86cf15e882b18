use std::str::FromStr;

/// Who a request was allowed for, in words that a header can hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Claims<'a> {
    pub(crate) subject: Option<&'a str>,
    pub(crate) organization: Option<&'a str>,
    /// The name of the issuer entry.
    pub(crate) issuer: Option<&'a str>,
    /// The `iss` value that identifies the issuer entry.
    pub(crate) iss: Option<&'a str>,
    pub(crate) client: Option<&'a str>,
    pub(crate) kind: Option<&'static str>,
    /// Separated by single spaces.
    pub(crate) scope: Option<&'a str>,
}

/// One of the claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Subject,
    Organization,
    Issuer,
    Client,
    Kind,
    Scope,
}

impl Claims<'_> {
    pub(crate) const fn get(&self, part: Part) -> Option<&str> {
        match part {
            Part::Subject => self.subject,
            Part::Organization => self.organization,
            Part::Issuer => self.issuer,
            Part::Client => self.client,
            Part::Kind => self.kind,
            Part::Scope => self.scope,
        }
    }
}

impl FromStr for Part {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "subject" => Ok(Self::Subject),
            "organization" => Ok(Self::Organization),
            "issuer" => Ok(Self::Issuer),
            "client" => Ok(Self::Client),
            "kind" => Ok(Self::Kind),
            "scope" => Ok(Self::Scope),
            _ => Err("expected subject, organization, issuer, client, kind or scope"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_named_by_its_word() {
        let claims = Claims {
            subject: Some("subject"),
            organization: Some("organization"),
            issuer: Some("issuer"),
            iss: Some("https://issuer.example"),
            client: Some("client"),
            kind: Some("kind"),
            scope: Some("scope"),
        };
        for word in ["subject", "organization", "issuer", "client", "kind", "scope"] {
            assert_eq!(word.parse().map(|part: Part| claims.get(part)), Ok(Some(word)));
        }
        assert!("Subject".parse::<Part>().is_err());
    }
}
