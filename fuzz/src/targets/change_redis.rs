//! Rows and entries in Redis: with a secret nothing is believed that was not signed with it, and what is believed reads as
//! it was written.

use orgate::change::fuzzing::{believed_entry, believed_fact, written_fact};

/// The first byte says whether there is a secret. Then come lines: the id of an entry, its field, and its value.
pub(crate) fn run(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let secret = (*how == b's').then_some("a secret of the fleet");
    let mut lines = text.splitn(3, '\n');
    let [id, field, value] = [(); 3].map(|()| lines.next().unwrap_or_default());
    if let Some(fact) = believed_fact(secret, field, value) {
        assert!(secret.is_none(), "believed without a signature: {field} {value}");
        let (written_field, written_value) = written_fact(None, &fact);
        assert_eq!(believed_fact(None, &written_field, &written_value).as_ref(), Some(&fact));
        for key in ["a secret of the fleet", "another"] {
            let (field, signed) = written_fact(Some(key), &fact);
            let is_ours = key == "a secret of the fleet";
            assert_eq!(believed_fact(Some("a secret of the fleet"), &field, &signed).is_some(), is_ours);
        }
    }
    if let Some(change) = believed_entry(secret, id, field, value) {
        assert!(secret.is_none(), "believed without a signature: {id} {field} {value}");
        assert!(format!("{change:?}").len() <= 8 * (field.len() + value.len()) + 256);
    }
}
