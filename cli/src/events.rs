//! `grantlog events`.

use std::{
    io::{self, Write, stdout},
    sync::Arc,
};

use clap::Args;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use grantlog_core::{
    domain::StreamId,
    store::{EventStore, Position, Recorded, SqliteStore, StoreError},
};

use crate::{Failure, place::Place};

/// How much of a payload is shown on a line.
const SHOWN: usize = 120;

/// What `events` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Keep printing what is appended
    #[arg(long)]
    follow: bool,
    /// Begin at this position
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    from: u64,
    /// Only this stream: `grant-01932d5e-…`
    #[arg(long)]
    stream: Option<StreamId>,
    /// Print each event in its canonical form (docs/event-envelope.md)
    #[arg(long)]
    json: bool,
}

/// Prints.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let store = SqliteStore::open_read_only(&arguments.place.clone().config()?.data_dir)?;
    let mut events = events(&store, &arguments).await?;
    while let Some(event) = events.try_next().await? {
        print(&event, arguments.json)?;
    }
    Ok(())
}

type Events = BoxStream<'static, Result<Arc<Recorded>, StoreError>>;

async fn events(store: &SqliteStore, arguments: &Arguments) -> Result<Events, StoreError> {
    let from = Position(arguments.from);
    let after = from.0.checked_sub(1).map(Position);
    match &arguments.stream {
        None if arguments.follow => Ok(store.follow(after)),
        None => Ok(store.read_all(after)),
        Some(stream) if arguments.follow => {
            let stream = stream.clone();
            Ok(store.follow(after).try_filter(move |event| std::future::ready(event.stream == stream)).boxed())
        }
        Some(stream) => {
            let loaded = store.load(stream, None).await?;
            let wanted: Vec<_> =
                loaded.events.into_iter().filter(|event| event.position >= from).map(|event| Ok(Arc::new(event))).collect();
            Ok(futures::stream::iter(wanted).boxed())
        }
    }
}

fn print(event: &Recorded, as_json: bool) -> io::Result<()> {
    let mut out = stdout().lock();
    if as_json {
        out.write_all(&event.canonical()?)?;
        return out.write_all(b"\n");
    }
    writeln!(out, "{}", line(event))
}

fn line(recorded: &Recorded) -> String {
    let Recorded { position, stream, revision, event } = recorded;
    let time = event.time.to_rfc3339();
    format!("{:>8}  {time}  {stream}@{}  {}  by {}  {}", position.0, revision.0, event.kind, event.actor, shortened(&event.data))
}

/// On a terminal a control character could do more than be shown.
fn shortened(data: &str) -> String {
    let shown = data.chars().map(|shown| if shown.is_control() { '\u{fffd}' } else { shown });
    let mut text: String = shown.take(SHOWN).collect();
    if data.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_payloads_are_cut_between_characters() {
        assert_eq!(shortened("{}"), "{}");
        assert_eq!(shortened(&"ü".repeat(121)), format!("{}…", "ü".repeat(120)));
        assert_eq!(shortened("a\u{9b}b"), "a\u{fffd}b");
    }
}
