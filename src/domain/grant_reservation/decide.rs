use std::convert::Infallible;

use super::{GrantReservation, GrantReservationEvent};
use crate::domain::{Decider, GrantId, Timestamp};

/// Decides which grant it is.
#[derive(Clone, Copy, Debug)]
pub struct GrantReservationDecider;

/// Makes `candidate` the grant, unless there is one already.
#[derive(Clone, Copy, Debug)]
pub struct Reserve {
    /// The grant to be.
    pub candidate: GrantId,
    /// The grant that is over and may be replaced.
    pub replaces: Option<GrantId>,
}

impl Decider for GrantReservationDecider {
    type State = GrantReservation;
    type Command = Reserve;
    type Event = GrantReservationEvent;
    /// Whoever comes second takes the grant that is there.
    type Refusal = Infallible;

    fn decide(reservation: &GrantReservation, command: &Reserve, _now: Timestamp) -> Result<Vec<GrantReservationEvent>, Infallible> {
        // Nothing yet, or the very grant that was found to be over: not one that somebody else has put in its place since.
        let is_free = reservation.grant_id().is_none() || reservation.grant_id() == command.replaces;
        Ok(if is_free { vec![GrantReservationEvent::Made { grant_id: command.candidate }] } else { Vec::new() })
    }

    fn evolve(reservation: GrantReservation, event: &GrantReservationEvent, _at: Timestamp) -> GrantReservation {
        reservation.evolve(event)
    }
}
