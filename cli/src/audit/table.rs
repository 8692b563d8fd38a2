//! Answers as tables, for people.

use std::fmt::Write as _;

use serde_json::Value;

/// The longest cell, in characters.
const WIDEST: usize = 60;

/// The rows in a member of an answer, with these columns: a heading and a JSON pointer each. Below it, what else the answer
/// tells: up to where it speaks, and how to go on.
pub(super) fn of(answer: &Value, rows: &str, columns: &[(&str, &str)]) -> String {
    let people = &answer["people"];
    let cell = |row: &Value, pointer: &str| {
        let shown = text(row.pointer(pointer).unwrap_or(&Value::Null));
        // People are shown by the application's id of them.
        if pointer == "/subject_id" { people[&shown].as_str().map_or(shown, str::to_owned) } else { shown }
    };
    let mut lines = vec![columns.iter().map(|(heading, _)| (*heading).to_owned()).collect::<Vec<_>>()];
    for row in answer[rows].as_array().into_iter().flatten() {
        lines.push(columns.iter().map(|(_, pointer)| shortened(&cell(row, pointer))).collect());
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut table = String::new();
    for line in &lines {
        let mut padded = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            // Writing to a String can't fail.
            let _ = write!(padded, "{cell:<width$}  ");
        }
        let _ = writeln!(table, "{}", padded.trim_end());
    }
    if let Some(position) = answer["position"].as_u64() {
        let _ = writeln!(table, "\nas of position {position}");
    }
    if let Some(cursor) = answer["next_cursor"].as_str() {
        let _ = writeln!(table, "there is more: --cursor {cursor}");
    }
    table
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn shortened(text: &str) -> String {
    let mut shown: String = visible(text).chars().take(WIDEST).collect();
    if text.chars().nth(WIDEST).is_some() {
        shown.push('…');
    }
    shown
}

/// On a terminal a control character could do more than be shown.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|shown| if shown.is_control() { '\u{fffd}' } else { shown }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells_and_people_have_their_names() {
        let answer = json!({"rows": [{"a": 1, "subject_id": "s1"}, {"a": "x\u{1b}y", "b": null}], "people": {"s1": "ana"}, "position": 7, "next_cursor": "3.7"});
        let table = of(&answer, "rows", &[("first", "/a"), ("who", "/subject_id"), ("b", "/b")]);
        assert_eq!(table, "first  who  b\n1      ana\nx\u{fffd}y\n\nas of position 7\nthere is more: --cursor 3.7\n");
    }
}
