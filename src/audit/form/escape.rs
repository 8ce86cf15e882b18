//! Names of a tenant are foreign: whatever stands in them stays text.

use std::fmt;
use std::fmt::Write as _;

use crate::name::Visible;

/// Text in an HTML element or in a quoted attribute.
pub(super) struct Html<'a>(pub(super) &'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in Visible(self.0).to_string().chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Text in a Markdown table or paragraph.
pub(super) struct Markdown<'a>(pub(super) &'a str);

impl fmt::Display for Markdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in Visible(self.0).to_string().chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                // A scheme alone makes a link in some dialects.
                ':' | '@' if self.0.contains("//") || c == '@' => write!(f, "&#{};", u32::from(c))?,
                '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '|' | '~' | '#' | '!' | '>' | '$' | '^' => {
                    write!(f, "\\{c}")?;
                }
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_stays_text() {
        let name = "<img src=x onerror='a(\"b\")'>&\u{202e}\n";
        assert_eq!(Html(name).to_string(), "&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt;&amp;\\u202e\\u000a");
        assert_eq!(Markdown("a|b\n[x](y) <b>").to_string(), "a\\|b\\\\u000a\\[x\\](y) &lt;b\\>");
    }

    proptest! {
        #[test]
        fn nothing_ends_an_element_or_an_attribute(text in any::<String>()) {
            let html = Html(&text).to_string();
            prop_assert!(!html.contains(['<', '>', '"', '\'', '\n', '\r', '\0']));
        }

        #[test]
        fn nothing_ends_a_cell(text in any::<String>()) {
            let markdown = Markdown(&text).to_string();
            prop_assert!(!markdown.contains(['\n', '\r', '<']));
            prop_assert!(!markdown.replace("\\\\", "").replace("\\|", "").contains('|'));
        }
    }
}
