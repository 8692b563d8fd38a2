//! What came of each entry, for people and for programs.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use serde::Serialize;
use serde_json::json;

use super::entries::Place;

/// What came of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is registered now.
    Imported,
    /// It was registered just so before.
    Unchanged,
    /// It is registered otherwise and was left as it is.
    Differs,
    /// It was registered otherwise.
    Updated,
    /// It can't be taken over.
    Refused,
}

/// One line of the report.
#[derive(Debug, Serialize)]
pub struct Line {
    line: u64,
    index: u64,
    /// Whose; absent when that can't be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    outcome: Outcome,
    /// Why it was refused: every reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    /// In which members it is, or was, registered otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differing: Vec<String>,
    /// What of it was not taken over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<String>,
}

impl Line {
    /// What came of an entry.
    pub fn new(place: Place, client_id: Option<String>, outcome: Outcome) -> Self {
        let (reasons, differing, ignored) = (Vec::new(), Vec::new(), Vec::new());
        Self { line: place.line, index: place.index, client_id, outcome, reasons, differing, ignored }
    }

    /// Why it was refused.
    pub fn because(self, reasons: Vec<String>) -> Self {
        Self { reasons, ..self }
    }

    /// In which members it is registered otherwise.
    pub fn differing(self, differing: Vec<String>) -> Self {
        Self { differing, ..self }
    }

    /// What of it was not taken over.
    pub fn ignoring(self, ignored: Vec<String>) -> Self {
        Self { ignored, ..self }
    }

    /// For people, if there is anything to say.
    fn told(&self) -> Option<String> {
        let said = match self.outcome {
            Outcome::Refused => format!("refused: {}", self.reasons.join("; ")),
            Outcome::Differs => format!("is registered otherwise and left as it is: {}", self.differing.join(", ")),
            Outcome::Updated => format!("updated: {}", self.differing.join(", ")),
            Outcome::Imported | Outcome::Unchanged if self.ignored.is_empty() => return None,
            Outcome::Imported | Outcome::Unchanged => String::new(),
        };
        let ignored = if self.ignored.is_empty() { String::new() } else { format!("not taken over: {}", self.ignored.join("; ")) };
        let said: Vec<_> = [said, ignored].into_iter().filter(|part| !part.is_empty()).collect();
        let whose = self.client_id.as_deref().unwrap_or("(no id)");
        // Ids and members come from the file: nothing in them may move the cursor of a terminal.
        let text = format!("line {}, entry {}, {whose}: {}", self.line, self.index, said.join("; "));
        Some(text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect())
    }
}

/// How many entries there were, by what came of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// All.
    pub entries: u64,
    /// Registered now.
    pub imported: u64,
    /// Registered just so before.
    pub unchanged: u64,
    /// Registered otherwise, and left.
    pub differing: u64,
    /// Registered otherwise before.
    pub updated: u64,
    /// Not taken over.
    pub refused: u64,
}

impl Summary {
    fn count(&mut self, outcome: Outcome) {
        self.entries += 1;
        *match outcome {
            Outcome::Imported => &mut self.imported,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Differs => &mut self.differing,
            Outcome::Updated => &mut self.updated,
            Outcome::Refused => &mut self.refused,
        } += 1;
    }
}

/// The report as it is written, entry by entry.
pub struct Report<W> {
    people: W,
    program: Option<BufWriter<File>>,
    summary: Summary,
}

impl<W: Write> Report<W> {
    /// A report for people, and one for programs if a file is named.
    pub fn new(people: W, file: Option<&Path>, dry_run: bool) -> io::Result<Self> {
        let mut program = file.map(File::create).transpose()?.map(BufWriter::new);
        if let Some(file) = &mut program {
            write!(file, "{{\"dry_run\":{dry_run},\"entries\":[")?;
        }
        Ok(Self { people, program, summary: Summary::default() })
    }

    /// One more.
    pub fn add(&mut self, line: &Line) -> io::Result<()> {
        if let Some(text) = line.told() {
            writeln!(self.people, "{text}")?;
        }
        if let Some(file) = &mut self.program {
            file.write_all(if self.summary.entries == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut *file, line)?;
        }
        self.summary.count(line.outcome);
        Ok(())
    }

    /// That was all.
    pub fn finish(mut self, dry_run: bool) -> io::Result<Summary> {
        let Summary { entries, imported, unchanged, differing, updated, refused } = self.summary;
        let would = if dry_run { "nothing was written; a run would have " } else { "" };
        writeln!(
            self.people,
            "{would}{entries} entries: {imported} imported, {unchanged} unchanged, {updated} updated, \
             {differing} left as they are registered, {refused} refused"
        )?;
        if let Some(mut file) = self.program {
            writeln!(file, "\n],\"summary\":{}}}", json!(self.summary))?;
            file.flush()?;
        }
        Ok(self.summary)
    }
}
