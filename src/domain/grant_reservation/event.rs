use serde::{Deserialize, Serialize};

use crate::domain::GrantId;

/// What happens to a reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum GrantReservationEvent {
    /// From here on this is the grant.
    #[serde(rename = "grant_reservation.made")]
    Made {
        /// Which.
        grant_id: GrantId,
    },
}
