//! Segments: files with the entries of events that were dropped from the log, one on each line in the order of their
//! positions.
//!
//! An entry is canonical JSON and has no line break, so a file is read by anything that reads lines; and it is searched
//! without an index, since each line says which position it is of.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use serde::de::IgnoredAny;

use crate::domain::segment::{Positions, Span};

const SUFFIX: &str = ".jsonl";
const UNFINISHED: &str = ".unfinished";

/// Why a segment can't be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct SegmentError {
    /// Which file.
    path: PathBuf,
    /// What went wrong.
    source: io::Error,
}

/// What is known of a file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// How long it is.
    pub bytes: u64,
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

/// The folder of the segments. It need not be there, and files may be moved out of it and back.
#[derive(Clone, Debug)]
pub struct Segments(PathBuf);

impl Segments {
    /// The segments of a data directory.
    pub fn of(data_dir: &Path) -> Self {
        Self(data_dir.join("segments"))
    }

    /// Where the file of a segment is.
    pub fn path(&self, positions: &Positions) -> PathBuf {
        self.0.join(format!("{:020}-{:020}{SUFFIX}", positions.first(), positions.last()))
    }

    fn unfinished(&self, positions: &Positions) -> PathBuf {
        let mut path = self.path(positions).into_os_string();
        path.push(UNFINISHED);
        path.into()
    }

    /// Writes the entries of a segment, durably. Until [`Self::finish`] the file is only a draft.
    pub fn draft(&self, positions: &Positions, entries: impl Iterator<Item = io::Result<Vec<u8>>>) -> Result<SegmentFile, SegmentError> {
        let path = self.unfinished(positions);
        let write = || -> io::Result<SegmentFile> {
            make_folder(&self.0)?;
            let mut out = BufWriter::new(private_file(&path)?);
            let (mut hash, mut bytes) = (Context::new(&SHA256), 0);
            for entry in entries {
                let mut line = entry?;
                line.push(b'\n');
                out.write_all(&line)?;
                hash.update(&line);
                bytes += line.len() as u64;
            }
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            File::open(&self.0)?.sync_all()?;
            Ok(SegmentFile { bytes, sha256: hexadecimal(hash.finish().as_ref()) })
        };
        write().map_err(|source| SegmentError { path: path.clone(), source })
    }

    /// Gives the draft of a segment its name, if there still is one under that name.
    pub fn finish(&self, positions: &Positions) -> Result<(), SegmentError> {
        let (from, to) = (self.unfinished(positions), self.path(positions));
        let finish = || match fs::rename(&from, &to) {
            Ok(()) => File::open(&self.0)?.sync_all(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        finish().map_err(|source| SegmentError { path: to.clone(), source })
    }

    /// The SHA-256 of a segment's file; None when it is not there.
    pub fn sha256(&self, positions: &Positions) -> Result<Option<String>, SegmentError> {
        let path = self.path(positions);
        let hash = || -> io::Result<Option<String>> {
            let Some(mut file) = open(&path)? else { return Ok(None) };
            let (mut hash, mut buffer) = (Context::new(&SHA256), vec![0; 1 << 16]);
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(Some(hexadecimal(hash.finish().as_ref()))),
                    read => hash.update(&buffer[..read]),
                }
            }
        };
        hash().map_err(|source| SegmentError { path: path.clone(), source })
    }

    /// The entries of these positions, those that are in some file that is there: each with its position, in their order.
    /// Whether they are what was dropped is not known here.
    pub fn entries(&self, first: u64, last: u64) -> Result<Vec<(u64, Vec<u8>)>, SegmentError> {
        let mut found = Vec::new();
        for (path, span) in self.files()? {
            if span.first <= last && span.last >= first {
                let read = lines_of(&path, first, last).map_err(|source| SegmentError { path, source })?;
                found.extend(read);
            }
        }
        found.sort_unstable();
        found.dedup();
        // Of two lines that claim one place, nobody can tell which is right.
        let claimed: Vec<u64> = found.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].0).collect();
        found.retain(|(position, _)| !claimed.contains(position));
        Ok(found)
    }

    /// The files that are there, each with what its name says that it has.
    fn files(&self) -> Result<Vec<(PathBuf, Span)>, SegmentError> {
        let list = || -> io::Result<Vec<PathBuf>> { fs::read_dir(&self.0)?.map(|entry| Ok(entry?.path())).collect() };
        match list() {
            Ok(paths) => Ok(paths.into_iter().filter_map(|path| named(&path).map(|span| (path, span))).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(SegmentError { path: self.0.clone(), source }),
        }
    }
}

fn named(path: &Path) -> Option<Span> {
    let (first, last) = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?.split_once('-')?;
    Some(Span { first: first.parse().ok()?, last: last.parse().ok()? })
}

/// Positions grow from line to line, so the first one wanted is found by halving. Where a line is damaged, all are looked
/// at, so that only that one is not found.
fn lines_of(path: &Path, first: u64, last: u64) -> io::Result<Vec<(u64, Vec<u8>)>> {
    let mut reader = BufReader::new(File::open(path)?);
    let begin = halve(&mut reader, first)?.unwrap_or(0);
    reader.seek(SeekFrom::Start(begin))?;
    let mut found = Vec::new();
    while let Some(line) = next_line(&mut reader)? {
        match position_of(&line) {
            Some(position) if position > last => break,
            Some(position) if position >= first && is_whole(&line) => found.push((position, line)),
            Some(_) | None => {}
        }
    }
    Ok(found)
}

/// Where the first line begins whose position is `first` or greater; None when a line was met that is damaged.
fn halve(reader: &mut BufReader<File>, first: u64) -> io::Result<Option<u64>> {
    // Every line that begins before `low` comes before the wanted ones, and no line that begins from `high` on does.
    let (mut low, mut high) = (0, reader.get_ref().metadata()?.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let begin = seek_line(reader, middle)?;
        match next_line(reader)?.map(|line| (position_of(&line), line.len() as u64)) {
            Some((None, _)) => return Ok(None),
            Some((Some(position), length)) if position < first => low = begin + length + 1,
            Some(_) | None => high = middle,
        }
    }
    Ok(Some(low))
}

/// What an entry says of its place. Behind the payload, which may say anything, the name is there once.
fn position_of(line: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b",\"position\":";
    let at = line.windows(NAME.len()).rposition(|part| part == NAME)? + NAME.len();
    let digits = line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&line[at..at + digits]).ok()?.parse().ok()
}

/// Goes to the first line that begins at this offset or after it, and says where it begins.
fn seek_line(reader: &mut BufReader<File>, offset: u64) -> io::Result<u64> {
    let Some(before) = offset.checked_sub(1) else { return reader.seek(SeekFrom::Start(0)) };
    reader.seek(SeekFrom::Start(before))?;
    let mut skipped = Vec::new();
    let skipped = reader.read_until(b'\n', &mut skipped)?;
    Ok(before + skipped as u64)
}

/// Whether it is an entry, and not two of which the line break is gone.
fn is_whole(line: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

fn next_line(reader: &mut BufReader<File>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    line.pop_if(|last| *last == b'\n');
    Ok(Some(line))
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(position: u64) -> Vec<u8> {
        let padding = "x".repeat(usize::try_from(position * 7 % 40).expect("small"));
        format!(r#"{{"data":"{padding}","position":{position}}}"#).into_bytes()
    }

    fn positions(of: &[u64]) -> Positions {
        Positions::of(of.iter().copied()).expect("some")
    }

    fn write(segments: &Segments, of: &[u64]) -> SegmentFile {
        let positions = positions(of);
        let written = segments.draft(&positions, of.iter().map(|position| Ok(line(*position)))).expect("it can be written");
        assert_eq!(segments.sha256(&positions).expect("it can be looked for"), None, "a draft is no segment");
        segments.finish(&positions).expect("it gets its name");
        segments.finish(&positions).expect("it has its name");
        written
    }

    fn found(segments: &Segments, first: u64, last: u64) -> Vec<u64> {
        let entries = segments.entries(first, last).expect("they can be read");
        assert!(entries.iter().all(|(position, entry)| *entry == line(*position)));
        entries.into_iter().map(|(position, _)| position).collect()
    }

    #[test]
    fn every_entry_is_found_in_whatever_file_it_is() {
        let folder = tempfile::tempdir().expect("a directory");
        let segments = Segments::of(folder.path());
        assert!(found(&segments, 1, 99).is_empty());
        let (one, other): (Vec<u64>, Vec<u64>) = ((2..60).filter(|position| position % 3 != 0).collect(), vec![3, 9, 12, 51]);
        let all: Vec<u64> = (1..70).filter(|position| one.contains(position) || other.contains(position)).collect();
        let written = write(&segments, &one);
        write(&segments, &other);
        assert_eq!(segments.sha256(&positions(&one)).expect("it can be read"), Some(written.sha256));
        assert_eq!(fs::metadata(segments.path(&positions(&one))).expect("it is there").len(), written.bytes);
        for first in 1..66 {
            for last in [first, first + 1, first + 30] {
                let expected: Vec<u64> = all.iter().copied().filter(|position| (first..=last).contains(position)).collect();
                assert_eq!(found(&segments, first, last), expected, "{first}..={last}");
            }
        }
        fs::remove_file(segments.path(&positions(&one))).expect("it is there");
        assert_eq!(found(&segments, 1, 99), other);
    }

    #[test]
    fn a_file_that_is_none_is_passed_over_and_so_is_a_damaged_line() {
        let folder = tempfile::tempdir().expect("a directory");
        let segments = Segments::of(folder.path());
        let all: Vec<u64> = (1..40).collect();
        write(&segments, &all);
        fs::write(folder.path().join("segments/notes.jsonl"), "hello").expect("it is written");
        assert_eq!(found(&segments, 1, 39), all);
        let path = segments.path(&positions(&all));
        let text = fs::read_to_string(&path).expect("it is there").replace("\"position\":20}", "\"positiom\":20}");
        fs::write(path, text).expect("it is written");
        assert_eq!(found(&segments, 18, 22), [18, 19, 21, 22]);
        assert!(found(&segments, 20, 20).is_empty());
        assert_eq!(found(&segments, 39, 39), [39]);
    }

    #[test]
    fn a_payload_does_not_say_where_its_event_stands() {
        let line = br#"{"actor":"system","data":{"a":",\"position\":1","b":2,"position":3},"envelope":1,"id":"","position":4,"type":""}"#;
        assert_eq!(position_of(line), Some(4));
    }
}
