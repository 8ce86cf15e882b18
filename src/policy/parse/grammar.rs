//! The grammar, from the whole policy down to its sources.

use super::error::ParseError;
use super::reader::{Reader, Token};
use super::source::source;
use crate::organization::any_organization;
use crate::policy::condition::Condition;
use crate::policy::freshness::{Freshness, OnError};
use crate::policy::shadow::Shadow;
use crate::policy::tree::{MAX_DEPTH, Node, Word};
use crate::policy::value::Policy;
use crate::policy::words::{
    any_issuer, authenticated, fresh_within, freshness, issued_by, live, organization, resource, resource_at,
    scope_list,
};

/// Whether anything is enforced, what must hold, and what is judged beside it.
pub(super) fn policy(reader: &mut Reader<'_>) -> Result<Policy, ParseError> {
    let start = reader.mark();
    let is_shadow_only = reader.take("SHADOW");
    if is_shadow_only {
        reader.expect("ONLY")?;
    }
    let mut policy = enforced(reader)?;
    if is_shadow_only {
        policy = policy.checked().dangerous_shadow_only();
    } else if reader.take("shadow") {
        reader.expect_symbol('(')?;
        policy.shadow = Some(Shadow::Beside(Box::new(enforced(reader)?)));
        reader.expect_symbol(')')?;
    }
    if *reader.peek() != Token::End {
        return Err(reader.expected("`and`, `or` or the end"));
    }
    // A fault of the last token would pass for the end.
    reader.finish()?;
    let mut policy = policy.checked();
    match policy.fault.take() {
        Some(fault) => Err(reader.contradiction(start, fault)),
        None => Ok(policy),
    }
}

/// `optional`, `hidden`, then what must hold.
fn enforced(reader: &mut Reader<'_>) -> Result<Policy, ParseError> {
    let (mut optional, mut hidden) = (false, false);
    loop {
        if !optional && reader.take("optional") {
            optional = true;
        } else if !hidden && reader.take("hidden") {
            hidden = true;
        } else {
            break;
        }
    }
    let tree = any(reader, 0)?;
    Ok(Policy { tree, optional, hidden, shadow: None, fault: None })
}

fn any(reader: &mut Reader<'_>, depth: usize) -> Result<Node, ParseError> {
    let mut node = all(reader, depth)?;
    while reader.take("or") {
        node = node.or(all(reader, depth)?);
    }
    Ok(node)
}

fn all(reader: &mut Reader<'_>, depth: usize) -> Result<Node, ParseError> {
    let mut node = group(reader, depth)?;
    while reader.take("and") {
        node = node.and(group(reader, depth)?);
    }
    Ok(node)
}

fn group(reader: &mut Reader<'_>, depth: usize) -> Result<Node, ParseError> {
    if depth > MAX_DEPTH {
        return Err(reader.expected(format_args!("at most {MAX_DEPTH} groups, one in the other")));
    }
    if reader.take_symbol('(') {
        let node = any(reader, depth + 1)?;
        reader.expect_symbol(')')?;
        return Ok(node);
    }
    let at = reader.mark();
    if let Some(condition) = Condition::parse(reader)? {
        return Ok(Node::Word(Word::Condition(condition)));
    }
    let Some(policy) = core(reader)? else {
        return Err(reader.expected("a word of a policy, such as `resource`, `organization` or `scope`"));
    };
    match policy.fault {
        Some(fault) => Err(reader.contradiction(at, fault)),
        None => Ok(policy.tree),
    }
}

/// What belongs to the core of a clause.
fn core(reader: &mut Reader<'_>) -> Result<Option<Policy>, ParseError> {
    Ok(Some(if reader.take("authenticated") {
        authenticated()
    } else if reader.take("resource") {
        return resource_word(reader).map(Some);
    } else if reader.take("organization") {
        reader.expect("from")?;
        organization(source(reader)?)
    } else if reader.take("any") {
        return any_word(reader).map(Some);
    } else if reader.take("all") {
        reader.expect("of")?;
        scope_list(false, reader.list(scope)?)
    } else if reader.take("scope") {
        scope_list(false, [scope(reader)?])
    } else if reader.take("issued") {
        reader.expect("by")?;
        issued_by(&reader.name("the name of an issuer entry")?)
    } else if reader.take("live") {
        tolerating(reader, live())?
    } else if reader.take("fresh") {
        reader.expect("within")?;
        let age = reader.duration()?;
        tolerating(reader, fresh_within(age))?
    } else if reader.take("freshness") {
        match tolerance(reader)? {
            Some(way) => freshness(Freshness::tolerance(way)),
            None => return Err(reader.expected("`[stale ..]` or `[token only on error]`")),
        }
    } else {
        return Ok(None);
    }))
}

fn scope(reader: &mut Reader<'_>) -> Result<String, ParseError> {
    reader.name("a scope")
}

fn resource_word(reader: &mut Reader<'_>) -> Result<Policy, ParseError> {
    let resource = match reader.take_name() {
        Some(indicator) => resource_at(&indicator),
        None => resource(),
    };
    if reader.take("about") {
        return Ok(resource.about(source(reader)?));
    }
    if reader.take("for") {
        ["member", "of", "organization", "from"].into_iter().try_for_each(|word| reader.expect(word))?;
        let member = resource.for_member_of(source(reader)?);
        if !reader.take_symbol('[') {
            return Ok(member);
        }
        ["acting", "allowed"].into_iter().try_for_each(|word| reader.expect(word))?;
        reader.expect_symbol(']')?;
        return Ok(member.acting_allowed());
    }
    if !reader.take("in") {
        return Ok(resource);
    }
    if reader.take("any") {
        reader.expect("organization")?;
        return Ok(resource.in_organization(any_organization()));
    }
    reader.expect("organization")?;
    reader.expect("from")?;
    Ok(resource.in_organization(source(reader)?))
}

fn any_word(reader: &mut Reader<'_>) -> Result<Policy, ParseError> {
    if reader.take("organization") {
        return Ok(organization(any_organization()));
    }
    if reader.take("issuer") {
        return Ok(any_issuer());
    }
    if reader.take("of") {
        return Ok(scope_list(true, reader.list(scope)?));
    }
    Err(reader.expected("`organization`, `issuer` or `of [..]`"))
}

fn tolerating(reader: &mut Reader<'_>, policy: Policy) -> Result<Policy, ParseError> {
    Ok(match tolerance(reader)? {
        Some(OnError::Stale(age)) => policy.stale_if_error(age),
        Some(OnError::TokenOnly) => policy.dangerous_token_only_on_error(),
        None => policy,
    })
}

fn tolerance(reader: &mut Reader<'_>) -> Result<Option<OnError>, ParseError> {
    if !reader.take_symbol('[') {
        return Ok(None);
    }
    let way = if reader.take("stale") {
        OnError::Stale(reader.duration()?)
    } else if reader.take("token") {
        ["only", "on", "error"].into_iter().try_for_each(|word| reader.expect(word))?;
        OnError::TokenOnly
    } else {
        return Err(reader.expected("`stale` and a duration, or `token only on error`"));
    };
    reader.expect_symbol(']')?;
    Ok(Some(way))
}
