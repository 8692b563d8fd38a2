//! `grantlog erase`: erases people again whom a restored backup brought back.

use std::io::{Write, stdout};

use clap::Args;
use grantlog_core::{
    app::{Context, Trouble, erase::Erasure},
    domain::SubjectId,
};

use crate::{Failure, boot::Engine, keys::open, place::Place};

/// What `erase` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Which server.
    #[command(flatten)]
    pub place: Place,
    /// The ids that the log knows them by: `subject_id` of an erasure, `sub` of its certificate
    #[arg(required = true, value_name = "SUBJECT_ID")]
    pub subjects: Vec<SubjectId>,
}

/// Does it, and says of each what became of it. Doing it again changes nothing.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = arguments.place.config()?;
    let engine = open(&config, "stop it first").await?;
    let outcome = erase(&engine, arguments.subjects).await;
    engine.close().await;
    let mut out = stdout().lock();
    for (subject, erasure) in outcome? {
        match erasure {
            Some(Erasure { id, completed, .. }) => {
                let ended = completed.map_or(0, |completed| completed.grants_ended);
                writeln!(out, "{subject} is erased (erasure {id}, {ended} grants ended)")?;
            }
            None => writeln!(out, "{subject} is not in this log")?,
        }
    }
    Ok(())
}

async fn erase(engine: &Engine, subjects: Vec<SubjectId>) -> Result<Vec<(SubjectId, Option<Erasure>)>, Trouble> {
    let live = engine.live();
    let mut erased = Vec::with_capacity(subjects.len());
    for subject in subjects {
        erased.push((subject, engine.authority.erase_again(&Context::system(), &*live, subject).await?));
    }
    Ok(erased)
}
