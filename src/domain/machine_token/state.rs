use super::MachineTokenEvent;
use crate::{
    domain::{ClientId, Timestamp},
    protocol::{AccessTokenFormat, Scope},
};

/// A machine token, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineToken {
    issued: Option<IssuedMachineToken>,
    revoked: bool,
}

/// What a machine token was issued as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedMachineToken {
    /// To whom.
    pub client_id: ClientId,
    /// What it is good for.
    pub scope: Scope,
    /// For whom.
    pub audience: Vec<String>,
    /// In which form.
    pub format: AccessTokenFormat,
    /// When.
    pub issued_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

impl MachineToken {
    /// What it was issued as; nothing if it never was.
    pub fn issued(&self) -> Option<&IssuedMachineToken> {
        self.issued.as_ref()
    }

    /// Whether it was revoked.
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// Whether it is good at this moment.
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.revoked && self.issued.as_ref().is_some_and(|issued| now < issued.expires_at)
    }

    pub(super) fn evolve(mut self, event: &MachineTokenEvent, at: Timestamp) -> Self {
        match event {
            MachineTokenEvent::Issued { client_id, scope, audience, format, expires_at } => {
                self.issued = Some(IssuedMachineToken {
                    client_id: client_id.clone(),
                    scope: scope.clone(),
                    audience: audience.clone(),
                    format: *format,
                    issued_at: at,
                    expires_at: *expires_at,
                });
            }
            MachineTokenEvent::Revoked {} => self.revoked = true,
        }
        self
    }
}
