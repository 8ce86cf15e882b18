//! Source text as tokens: without comments, and without what is compiled for tests only.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// One word of the source: an identifier, a literal, `::`, or a single mark.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
    /// The module it stands in, the crate's root being empty.
    pub(crate) module: Vec<String>,
}

/// One file below `src`.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path below `src`.
    pub(crate) path: String,
    pub(crate) tokens: Vec<Token>,
    /// Its length without the items that are compiled for tests only.
    pub(crate) lines: usize,
    /// The files that this one declares for tests only.
    test_modules: Vec<String>,
}

/// Every file of the crate: its path below `src`, and its text.
pub(crate) fn crate_texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let text = |path: &PathBuf| {
        let below = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        (below, fs::read_to_string(path).unwrap())
    };
    paths.iter().map(text).collect()
}

/// Every file of the crate that is not for tests only, read once.
pub(crate) fn crate_sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(read_crate);
    &SOURCES
}

fn read_crate() -> Vec<Source> {
    let sources: Vec<Source> = crate_texts().iter().map(|(below, text)| Source::read(below, text)).collect();
    let for_tests: Vec<String> = sources.iter().flat_map(|source| source.test_modules.clone()).collect();
    let is_for_tests = |path: &str| {
        for_tests.iter().any(|module| path == format!("{module}.rs") || path.starts_with(&format!("{module}/")))
    };
    sources.into_iter().filter(|source| !is_for_tests(&source.path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

impl Source {
    pub(crate) fn read(path: &str, text: &str) -> Self {
        let stem = path.strip_suffix(".rs").unwrap();
        let stem = stem.strip_suffix("/mod").unwrap_or(stem);
        let folder = if stem == "lib" { "" } else { stem };
        let mut lines = text.lines().count();
        let mut test_modules = Vec::new();
        let mut tokens = lex(text);
        while let Some(start) = find(&tokens, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            let end = end_of_item(&tokens, start);
            if let Some(at) = find(&tokens[start..end], &["mod"]).filter(|_| tokens[end - 1].text == ";") {
                let name = &tokens[start + at + 1].text;
                test_modules.push(if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") });
            }
            lines -= tokens[end - 1].line - tokens[start].line + 1;
            tokens.drain(start..end);
        }
        place(&mut tokens, folder);
        Self { path: path.to_owned(), tokens, lines, test_modules }
    }

    /// The places where these tokens follow one another.
    pub(crate) fn matches(&self, pattern: &[&str]) -> impl Iterator<Item = &Token> {
        let windows = self.tokens.windows(pattern.len());
        windows.filter(move |window| is_match(window, pattern)).map(|window| &window[0])
    }

    pub(crate) fn at(&self, token: &Token) -> String {
        format!("src/{}:{}", self.path, token.line)
    }
}

fn is_match(tokens: &[Token], pattern: &[&str]) -> bool {
    tokens.len() >= pattern.len() && tokens.iter().zip(pattern).all(|(token, text)| token.text == *text)
}

fn find(tokens: &[Token], pattern: &[&str]) -> Option<usize> {
    tokens.windows(pattern.len()).position(|window| is_match(window, pattern))
}

/// Behind the item that starts at `start`, its attributes in front.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match &*token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth -= 1;
                if depth == 0 && token.text == "}" {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Writes into each token which module it stands in.
fn place(tokens: &mut [Token], folder: &str) {
    let file: Vec<String> = folder.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    for at in 0..tokens.len() {
        if let [keyword, name, brace, ..] = &tokens[at..]
            && (&*keyword.text, &*brace.text) == ("mod", "{")
        {
            inline.push((name.text.clone(), depth));
        }
        match &*tokens[at].text {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if inline.last().is_some_and(|(_, outside)| *outside == depth) {
                    inline.pop();
                }
            }
            _ => {}
        }
        tokens[at].module = file.iter().cloned().chain(inline.iter().map(|(name, _)| name.clone())).collect();
    }
}

fn lex(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let start = at;
        let rest = &text[at..];
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            at += block_comment(rest);
        } else if let Some(length) = string(rest) {
            at += length;
        } else if let Some(length) = character(rest) {
            at += length;
        } else if rest.starts_with("::") {
            at += 2;
        } else if is_word(bytes[at]) {
            at += rest.bytes().take_while(|&byte| is_word(byte)).count();
        } else {
            at += rest.chars().next().unwrap().len_utf8();
        }
        let piece = &text[start..at];
        if !piece.trim().is_empty() && !piece.starts_with("//") && !piece.starts_with("/*") {
            tokens.push(Token { text: piece.to_owned(), line, module: Vec::new() });
        }
        line += piece.matches('\n').count();
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The length of a comment that may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match text.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string literal of any kind.
fn string(text: &str) -> Option<usize> {
    let prefix = text.bytes().take_while(|byte| b"bcr".contains(byte)).count();
    let hashes = text[prefix..].bytes().take_while(|&byte| byte == b'#').count();
    if prefix > 2 || text.as_bytes().get(prefix + hashes) != Some(&b'"') {
        return None;
    }
    let body = prefix + hashes + 1;
    if text[..prefix].contains('r') {
        let close = format!("\"{}", "#".repeat(hashes));
        return text[body..].find(&close).map(|length| body + length + close.len());
    }
    let mut escaped = false;
    let end = text[body..].bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.filter(|_| hashes == 0).map(|length| body + length + 1)
}

/// The length of a character literal, or of the quote and name of a lifetime.
fn character(text: &str) -> Option<usize> {
    let quote = usize::from(text.starts_with('b'));
    let rest = text[quote..].strip_prefix('\'')?;
    let mut characters = rest.char_indices();
    let (_, first) = characters.next()?;
    if first == '\\' {
        characters.next();
        return rest[2..].find('\'').map(|length| quote + 1 + 2 + length + 1);
    }
    match characters.next() {
        Some((at, '\'')) => Some(quote + 1 + at + 1),
        _ => Some(quote + 1 + rest.bytes().take_while(|&byte| is_word(byte)).count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Source::read("keys/jwk.rs", text).tokens.into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_strings_are_no_code() {
        let text = r##"a /* b /* c */ d */ // e
            "f \" g" r#"h " i"# b'j' '\'' 'k: loop b"l" r"m\" n::o"##;
        let expected = [
            "a",
            r#""f \" g""#,
            r##"r#"h " i"#"##,
            "b'j'",
            r"'\''",
            "'k",
            ":",
            "loop",
            "b\"l\"",
            r#"r"m\""#,
            "n",
            "::",
            "o",
        ];
        assert_eq!(words(text), expected);
    }

    #[test]
    fn what_is_for_tests_is_left_out() {
        let text = "a;\n#[cfg(test)]\n#[allow(x)]\nfn b(c: [u8; 2]) -> D {\n{ e }\n}\nf;\n#[cfg(test)]\nmod tests;\n#[cfg(feature = \"g\")]\nh;";
        let source = Source::read("keys/jwk.rs", text);
        let words: Vec<&str> = source.tokens.iter().map(|token| &*token.text).collect();
        assert_eq!(words[..5], ["a", ";", "f", ";", "#"]);
        assert_eq!((source.lines, &*source.test_modules), (4, &["keys/jwk/tests".to_owned()][..]));
        assert_eq!(Source::read("keys/mod.rs", text).test_modules, ["keys/tests"]);
        assert_eq!(Source::read("lib.rs", text).test_modules, ["tests"]);
        assert_eq!(source.tokens.last().unwrap().line, 11);
    }

    #[test]
    fn tokens_know_their_module() {
        let source = Source::read("keys/jwk.rs", "a mod b { c { d } } e");
        let module = |word: &str| source.matches(&[word]).next().unwrap().module.join("::");
        assert_eq!([module("a"), module("d"), module("e")], ["keys::jwk", "keys::jwk::b", "keys::jwk"]);
    }
}
