//! The words of a text, one after another.

use std::fmt;
use std::time::Duration;

use super::error::ParseError;
use crate::name::{Quoted, Visible, begins_word, continues_word, is_keyword, parse_span};
use crate::policy::code::Code;

/// The longest text that is read.
pub(in crate::policy) const MAX_TEXT: usize = 64 * 1024;
/// What of a text is shown in an error.
const MAX_SHOWN: usize = 40;

#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) enum Token<'t> {
    /// A bare word: a name, a number, or a word of the grammar.
    Word(&'t str),
    /// A string, unescaped.
    Text(String),
    Symbol(char),
    End,
}

/// Looks at one token, and knows where it is.
pub(in crate::policy) struct Reader<'t> {
    text: &'t str,
    code: &'t Code,
    token: Token<'t>,
    /// Where the token begins.
    start: usize,
    /// Where it ends.
    end: usize,
    fault: Option<ParseError>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, code: &'t Code) -> Result<Self, ParseError> {
        if text.len() > MAX_TEXT {
            return Err(ParseError::new(1, format_args!("expected at most {MAX_TEXT} bytes, found {}", text.len())));
        }
        let mut reader = Self { text, code, token: Token::End, start: 0, end: 0, fault: None };
        reader.advance();
        Ok(reader)
    }

    pub(in crate::policy) fn code(&self) -> &'t Code {
        self.code
    }

    pub(in crate::policy) fn peek(&self) -> &Token<'t> {
        &self.token
    }

    /// Where the present token is.
    pub(in crate::policy) fn mark(&self) -> usize {
        self.start
    }

    /// Goes on to the next token. What is none ends the text, with a fault.
    pub(in crate::policy) fn advance(&mut self) {
        let rest = self.text.get(self.end..).unwrap_or_default();
        let here = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.start = self.text.len() - here.len();
        let Some(first) = here.chars().next() else {
            (self.token, self.end) = (Token::End, self.text.len());
            return;
        };
        let length = match first {
            '(' | ')' | '[' | ']' | '{' | '}' | '=' => {
                self.token = Token::Symbol(first);
                1
            }
            '"' => self.read_string(here),
            first if begins_word(first) || first == '-' => {
                let rest = here.get(1..).unwrap_or_default();
                let word = 1 + rest.find(|c| !continues_word(c)).unwrap_or(rest.len());
                self.token = Token::Word(here.get(..word).unwrap_or_default());
                word
            }
            _ => 0,
        };
        if length == 0 {
            let what = if first == '"' { "a string as in JSON" } else { "a word, a string, or one of ( ) [ ] { } =" };
            let shown: String = here.chars().take_while(|c| !c.is_whitespace()).take(MAX_SHOWN).collect();
            let message = format_args!("expected {what}, found {}", Quoted(&shown)).to_string();
            self.fault.get_or_insert(ParseError::new(self.column(self.start), message));
            (self.token, self.end) = (Token::End, self.text.len());
            return;
        }
        self.end = self.start + length;
    }

    /// The length of the string that begins here; nothing if it is none.
    fn read_string(&mut self, here: &str) -> usize {
        let mut escaped = true;
        let end = here.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(string) = end.and_then(|end| here.get(..=end)) else { return 0 };
        match serde_json::from_str(string) {
            Ok(text) => {
                self.token = Token::Text(text);
                string.len()
            }
            Err(_) => 0,
        }
    }

    /// Takes this word of the grammar if it is here.
    pub(in crate::policy) fn take(&mut self, word: &str) -> bool {
        let is_here = self.token == Token::Word(word);
        if is_here {
            self.advance();
        }
        is_here
    }

    pub(in crate::policy) fn take_symbol(&mut self, symbol: char) -> bool {
        let is_here = self.token == Token::Symbol(symbol);
        if is_here {
            self.advance();
        }
        is_here
    }

    pub(in crate::policy) fn expect(&mut self, word: &str) -> Result<(), ParseError> {
        if self.take(word) { Ok(()) } else { Err(self.expected(format_args!("`{word}`"))) }
    }

    pub(in crate::policy) fn expect_symbol(&mut self, symbol: char) -> Result<(), ParseError> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.expected(format_args!("`{symbol}`"))) }
    }

    /// A name if one is here: bare, or a string.
    pub(in crate::policy) fn take_name(&mut self) -> Option<String> {
        let name = match &self.token {
            Token::Word(word) if !is_keyword(word) && word.starts_with(begins_word) => (*word).to_owned(),
            Token::Text(text) => text.clone(),
            _ => return None,
        };
        self.advance();
        Some(name)
    }

    pub(in crate::policy) fn name(&mut self, what: &str) -> Result<String, ParseError> {
        self.take_name().ok_or_else(|| match self.token {
            Token::Word(word) => self.expected(format_args!("{what} (or the string {})", Quoted(word))),
            _ => self.expected(what),
        })
    }

    pub(in crate::policy) fn string(&mut self, what: &str) -> Result<String, ParseError> {
        match &self.token {
            Token::Text(text) => {
                let text = text.clone();
                self.advance();
                Ok(text)
            }
            _ => Err(self.expected(what)),
        }
    }

    pub(in crate::policy) fn duration(&mut self) -> Result<Duration, ParseError> {
        let duration = match self.token {
            Token::Word(word) => parse_span(word),
            _ => None,
        };
        let duration = duration.ok_or_else(|| self.expected("a duration: an integer and ns, us, ms or s"))?;
        self.advance();
        Ok(duration)
    }

    /// What is in brackets, however much that is.
    pub(in crate::policy) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        self.expect_symbol('[')?;
        let mut items = vec![item(self)?];
        while !self.take_symbol(']') {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Something else stands here.
    pub(in crate::policy) fn expected(&self, what: impl fmt::Display) -> ParseError {
        self.wrong(self.start, what)
    }

    /// Something else stands there.
    pub(in crate::policy) fn wrong(&self, at: usize, what: impl fmt::Display) -> ParseError {
        if let Some(fault) = &self.fault {
            return fault.clone();
        }
        let there = self.text.get(at..).unwrap_or_default();
        let length = if at == self.start { self.end - self.start } else { there.len() };
        let shown: String = there.get(..length).unwrap_or_default().chars().take(MAX_SHOWN).collect();
        let column = self.column(at);
        if shown.is_empty() {
            return ParseError::new(column, format_args!("expected {what}, found the end"));
        }
        ParseError::new(column, format_args!("expected {what}, found `{}`", Visible(&shown)))
    }

    /// Whether the text ended without a fault.
    pub(super) fn finish(&self) -> Result<(), ParseError> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    /// Code of the application that the parser does not have.
    pub(in crate::policy) fn unknown(&self, at: usize, word: &str, name: &str) -> ParseError {
        let name = Quoted(name);
        self.wrong(at, format_args!("code of the application that is registered: see Parser::{word} for {word} {name}"))
    }

    /// What was read from there on cannot be.
    pub(in crate::policy) fn contradiction(&self, at: usize, fault: impl fmt::Display) -> ParseError {
        ParseError::new(self.column(at), fault)
    }

    fn column(&self, at: usize) -> usize {
        1 + self.text.get(..at).unwrap_or_default().chars().count()
    }
}
