//! A progress bar for what may take long: only for people, and only when it does take long.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Before this nobody wonders what is going on.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far something is. Shows nothing before a second has passed, and never where nobody looks.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    began: Instant,
    bar: Option<ProgressBar>,
    is_watched: bool,
}

impl Progress {
    /// Something begins now.
    pub fn new(what: &'static str) -> Self {
        Self { what, began: Instant::now(), bar: None, is_watched: stderr().is_terminal() }
    }

    /// It is so far.
    pub fn at(&mut self, done: u64, of: u64) {
        if !self.is_watched || (self.bar.is_none() && self.began.elapsed() < PATIENCE) {
            return;
        }
        self.bar.get_or_insert_with(|| bar(self.what, of)).set_position(done.min(of));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &'static str, of: u64) -> ProgressBar {
    let plain = ProgressStyle::default_bar();
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}").unwrap_or(plain);
    ProgressBar::new(of).with_style(style).with_message(what)
}
