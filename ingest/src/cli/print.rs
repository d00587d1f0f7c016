//! Text and JSON on a terminal.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::time::Duration;

use serde::Serialize;

/// Reads a duration, as `90s` or `2h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    text.parse::<humantime::Duration>().map(Into::into).map_err(|error| error.to_string())
}

/// Writes to stdout. A reader that has gone away (`| head`) is no failure.
pub(super) fn to_stdout(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::Error::from(error).context("the output cannot be written"))
        }
        _ => Ok(()),
    }
}

/// Writes a text to stdout, with a line break behind it.
pub(super) fn text(text: &str) -> anyhow::Result<()> {
    to_stdout(|out| writeln!(out, "{}", text.trim_end_matches('\n')))
}

/// Writes a value to stdout as JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    text(&serde_json::to_string_pretty(value)?)
}

/// Writes a value to stdout: as JSON if that is asked for, else as the text that is made of it.
pub(super) fn json_or(
    as_json: bool,
    value: &impl Serialize,
    make_text: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    if as_json { json(value) } else { text(&make_text()) }
}

/// Writes a line to stderr.
pub(super) fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Lines whose cells are aligned in columns.
pub(super) fn columns(lines: impl IntoIterator<Item = Vec<String>>) -> String {
    let plain_cells = |line: Vec<String>| line.iter().map(|cell| plain(cell)).collect();
    let lines: Vec<Vec<String>> = lines.into_iter().map(plain_cells).collect();
    let mut widths: Vec<usize> = Vec::new();
    for line in &lines {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let text = |line: &Vec<String>| {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    lines.iter().map(text).collect()
}

/// A table: columns under headings.
pub(super) fn table(headings: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let headings = headings.iter().map(ToString::to_string).collect();
    columns(std::iter::once(headings).chain(rows))
}

/// Names with their values, one a line.
pub(super) fn pairs<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    columns(rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]))
}

/// The text without control characters: keys and reasons come from strangers and must not steer the
/// terminal.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_control_characters_do_not_reach_the_terminal() {
        let rows = [
            vec!["海".to_owned(), "x".to_owned()],
            vec!["long one".to_owned(), "\u{1b}[31mred\n".to_owned()],
        ];
        let text = table(&["KEY", "REASON"], rows.into_iter());
        assert_eq!(text, "KEY       REASON\n海         x\nlong one  \\u{1b}[31mred\\n\n");
    }
}
