//! The report as text, Markdown and HTML.

mod escape;
mod html;
mod markdown;
mod notes;
mod text;
