//! Events as a table (RFC 4180), for spreadsheets, which take a cell that begins like a formula for one.

use grantlog_projections::history::HistoricEvent;

const COLUMNS: [&str; 15] = [
    "position",
    "time",
    "type",
    "stream",
    "revision",
    "id",
    "schema",
    "actor",
    "request_id",
    "subject_id",
    "client_id",
    "organization_id",
    "grant_id",
    "authorization_id",
    "data",
];

/// The row that names the columns.
pub(super) fn head(out: &mut Vec<u8>) {
    write(out, &COLUMNS);
}

/// The row of an event.
pub(super) fn row(out: &mut Vec<u8>, event: &HistoricEvent) {
    let HistoricEvent { recorded, subject, client, organization, grant, authorization } = event;
    let numbers = [recorded.position.0.to_string(), recorded.revision.0.to_string(), recorded.event.schema.to_string()];
    let (time, id) = (recorded.event.time.to_rfc3339(), recorded.event.id.to_string());
    let about = [subject, client, organization, grant, authorization].map(|name| name.as_deref().unwrap_or_default());
    write(
        out,
        &[
            &numbers[0],
            &time,
            &recorded.event.kind,
            recorded.stream.as_str(),
            &numbers[1],
            &id,
            &numbers[2],
            &recorded.event.actor,
            &recorded.event.request_id,
            about[0],
            about[1],
            about[2],
            about[3],
            about[4],
            &recorded.event.data,
        ],
    );
}

/// RFC 4180 §2: fields separated by commas, quotes within them doubled, lines that end in CR LF.
fn write(out: &mut Vec<u8>, fields: &[&str]) {
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'"');
        if is_formula(field) {
            out.push(b'\'');
        }
        for byte in field.bytes() {
            if byte == b'"' {
                out.push(b'"');
            }
            out.push(byte);
        }
        out.push(b'"');
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a spreadsheet might compute it. Some look past white space, and some take full-width signs for the others.
fn is_formula(field: &str) -> bool {
    let shown = field.trim_start_matches(|c: char| c.is_whitespace() || c.is_control());
    shown.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']) || field.starts_with(['\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fields: &[&str]) -> String {
        let mut out = Vec::new();
        write(&mut out, fields);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rfc4180_2_quotes_are_doubled_and_lines_end_in_cr_lf() {
        assert_eq!(written(&["a", "b,c", "d\"e", "f\r\ng", ""]), "\"a\",\"b,c\",\"d\"\"e\",\"f\r\ng\",\"\"\r\n");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u{a0}=1", "\u{ff1d}1", "\tx"] {
            assert_eq!(written(&[formula]), format!("\"'{formula}\"\r\n"), "{formula:?}");
        }
        for harmless in ["{\"a\":\"=1\"}", "2026-03-03T14:00:00.000Z", "client:=x", "'=1", ""] {
            assert_eq!(written(&[harmless]), format!("\"{}\"\r\n", harmless.replace('"', "\"\"")), "{harmless:?}");
        }
    }
}
