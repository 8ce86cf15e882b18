//! What stands in a form, a query or a path, percent-decoded.

/// The fields of a form or a query, in order.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(a, b)| (field(a), field(b))).collect())
    }

    /// The first field of this name that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, value)| field == name && !value.is_empty()).map(|(_, value)| &**value)
    }

    /// As a query, with `page` replaced.
    pub(super) fn at_page(&self, page: usize) -> String {
        let page = page.to_string();
        let kept = self.0.iter().filter(|(name, _)| name != "page").map(|(name, value)| (&**name, &**value));
        let pairs = kept.chain([("page", &*page)]).map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// A field of a form: a plus sign is a space.
pub(super) fn field(text: &str) -> String {
    segment(&text.replace('+', " "))
}

/// A segment of a path.
pub(super) fn segment(text: &str) -> String {
    let mut rest = text.as_bytes();
    let mut octets = Vec::with_capacity(rest.len());
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.split_at_checked(2)).flatten();
        let octet = escaped.and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (octet, after) = octet.unwrap_or((first, after));
        octets.push(octet);
        rest = after;
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|octet| match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
            _ => format!("%{octet:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_write() {
        let form =
            Form::parse("resource=https%3A%2F%2Fapi.example.com&scope=a+b%20c&empty=&page=2&page_size=5&bad=%zz%");
        assert_eq!(form.get("resource"), Some("https://api.example.com"));
        assert_eq!(form.get("scope"), Some("a b c"));
        assert_eq!((form.get("empty"), form.get("absent")), (None, None));
        assert_eq!(form.get("bad"), Some("%zz%"));
        assert!(form.at_page(3).ends_with("&page_size=5&bad=%25zz%25&page=3"));
        assert_eq!(segment("a%2Fb+c"), "a/b+c");
    }
}
