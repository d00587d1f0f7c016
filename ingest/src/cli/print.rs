//! Columns of text on a terminal.

/// Lines whose cells stand below each other, under `names`.
pub(crate) fn table(names: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut lines = vec![names.iter().map(ToString::to_string).collect::<Vec<_>>()];
    lines.extend(rows.map(|row| row.iter().map(|cell| plain(cell)).collect()));
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let text = |line: &Vec<String>| {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    lines.iter().map(text).collect()
}

/// The text without control characters: keys and reasons are other people's, and must not steer the
/// terminal.
pub(crate) fn plain(text: &str) -> String {
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
