//! Lists in pages, as Logto's Management API cuts them.

use http::header::LINK;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::Refused;
use super::form::Form;
use super::records::with;
use crate::testing::answers;
use crate::testing::answers::Right;

const TOTAL_NUMBER: HeaderName = HeaderName::from_static("total-number");
const DEFAULT_SIZE: usize = 20;
const LARGEST: usize = 100;

/// Whether a list is cut when the query does not say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paging {
    Always,
    WhenAsked,
}

/// The part of a list that the query asks for, with `Total-Number` and the `Link`s to the other parts; `within` a member of
/// that name, for some.
pub(super) fn paged(list: Vec<Value>, paging: Paging, within: Option<&str>, address: &str, query: &Form) -> Right {
    let (page, size) = (query.get("page"), query.get("page_size"));
    if paging == Paging::WhenAsked && page.is_none() && size.is_none() {
        return answers::answer(StatusCode::OK, &list.into());
    }
    let number = |text: Option<&str>, default| text.map_or(Some(default), |text| text.parse().ok().filter(|&n| n > 0));
    let (Some(page), Some(size)) = (number(page, 1), number(size, DEFAULT_SIZE).filter(|&size| size <= LARGEST)) else {
        let (code, message) = ("guard.invalid_pagination", "The request pagination value is invalid.");
        return Refused::api(StatusCode::BAD_REQUEST, code, message).into();
    };
    let total = list.len();
    let last = total.div_ceil(size).max(1);
    let part: Vec<Value> = list.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
    let part = match within {
        Some(name) => with(json!({}), name, part.into()),
        None => part.into(),
    };
    let mut answer = answers::answer(StatusCode::OK, &part);
    answer.headers_mut().insert(TOTAL_NUMBER, total.into());
    let around = [(page > 1).then(|| (page - 1, "prev")), (page < last).then(|| (page + 1, "next"))];
    for (page, relation) in [(1, "first"), (last, "last")].into_iter().chain(around.into_iter().flatten()) {
        let link = format!("<{address}?{}>; rel=\"{relation}\"", query.at_page(page));
        if let Ok(link) = HeaderValue::try_from(link) {
            answer.headers_mut().append(LINK, link);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(query: &str) -> (StatusCode, Value, Vec<String>) {
        let list = (0..45).map(Value::from).collect();
        let answer = paged(list, Paging::Always, None, "http://host/api/x", &Form::parse(query));
        let links = answer.headers().get_all(LINK).iter().map(|link| link.to_str().unwrap().to_owned()).collect();
        assert!(answer.status() != 200 || answer.headers()["total-number"] == "45");
        (answer.status(), serde_json::from_slice(answer.body()).unwrap(), links)
    }

    #[test]
    fn twenty_a_page() {
        let (_, first, links) = ask("a=b");
        assert_eq!((first[0].as_u64(), first.as_array().unwrap().len()), (Some(0), 20));
        assert_eq!(links[1], "<http://host/api/x?a=b&page=3>; rel=\"last\"");
        assert_eq!(links.len(), 3);
        assert_eq!(ask("page=3").1.as_array().unwrap().len(), 5);
        assert_eq!(ask("page=4").1.as_array().unwrap().len(), 0);
        assert_eq!(ask("page_size=100").1.as_array().unwrap().len(), 45);
        for bad in ["page_size=101", "page=0", "page=x"] {
            assert_eq!(ask(bad).0, 400, "{bad}");
        }
        let whole = paged(vec![Value::Null; 45], Paging::WhenAsked, None, "", &Form::parse("includeScopes=true"));
        assert!(!whole.headers().contains_key(TOTAL_NUMBER));
    }
}
