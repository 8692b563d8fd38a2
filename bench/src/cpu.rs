//! Processor time of a process, as the kernel counts it.

use std::{fs, time::Duration};

use crate::failure::Failure;

/// `/proc` counts in ticks of `USER_HZ`, which is 100 on every architecture we run on.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of all threads of a process, those that have ended included.
pub fn time_of(process: u32) -> Result<Duration, Failure> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).map_err(Failure::io(path.clone()))?;
    parse(&stat).ok_or_else(|| Failure::Io { what: path, source: std::io::ErrorKind::InvalidData.into() })
}

/// proc(5): `utime` and `stime` are fields 14 and 15. The name in field 2 may hold anything, so count from its last `)`.
fn parse(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    let (user, system) = (ticks()?, ticks()?);
    Some(TICK * user.checked_add(system)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_fields_behind_an_awkward_name() {
        let stat = "42 (a ) b 1 2) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 7 8 20 0 9 0 1 2 3";
        assert_eq!(parse(stat), Some(Duration::from_secs(3)));
    }

    #[test]
    fn refuses_what_is_too_short() {
        assert_eq!(parse("42 (a) S 1 42"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn knows_our_own_time() {
        time_of(std::process::id()).unwrap();
    }
}
