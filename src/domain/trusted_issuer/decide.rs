use super::TrustedIssuerEvent;
use crate::{
    domain::{Decider, Timestamp},
    protocol::TrustedIssuerSettings,
};

/// A trusted issuer, folded from its events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrustedIssuer {
    settings: Option<TrustedIssuerSettings>,
    deleted: bool,
    registered_at: Option<Timestamp>,
}

impl TrustedIssuer {
    /// What is registered about it; nothing when it is not trusted.
    pub fn settings(&self) -> Option<&TrustedIssuerSettings> {
        self.settings.as_ref()
    }

    /// When it was registered; stays known after deletion.
    pub fn registered_at(&self) -> Option<Timestamp> {
        self.registered_at
    }
}

/// What can be asked of a trusted issuer.
#[derive(Clone, Debug, PartialEq)]
pub enum TrustedIssuerCommand {
    /// Trust its tokens.
    Register {
        /// What is registered about it.
        settings: TrustedIssuerSettings,
    },
    /// Replace what is registered about it.
    Update {
        /// The whole of it, as it is to be.
        settings: TrustedIssuerSettings,
    },
    /// Trust its tokens no more, for good.
    Delete,
}

/// Why something may not happen to a trusted issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedIssuerRefusal {
    /// The id is taken.
    #[error("the trusted issuer exists already")]
    AlreadyExists,
    /// It was never registered, or it was deleted.
    #[error("there is no such trusted issuer")]
    NotFound,
}

/// What may happen to a trusted issuer.
#[derive(Debug)]
pub struct TrustedIssuerDecider;

impl Decider for TrustedIssuerDecider {
    type State = TrustedIssuer;
    type Command = TrustedIssuerCommand;
    type Event = TrustedIssuerEvent;
    type Refusal = TrustedIssuerRefusal;

    fn decide(
        issuer: &TrustedIssuer,
        command: &TrustedIssuerCommand,
        _now: Timestamp,
    ) -> Result<Vec<TrustedIssuerEvent>, TrustedIssuerRefusal> {
        match (command, &issuer.settings) {
            (TrustedIssuerCommand::Register { settings }, None) if !issuer.deleted => {
                Ok(vec![TrustedIssuerEvent::Registered { settings: settings.clone() }])
            }
            (TrustedIssuerCommand::Register { .. }, _) => Err(TrustedIssuerRefusal::AlreadyExists),
            (TrustedIssuerCommand::Update { settings }, Some(before)) if settings == before => Ok(vec![]),
            (TrustedIssuerCommand::Update { settings }, Some(_)) => Ok(vec![TrustedIssuerEvent::Updated { settings: settings.clone() }]),
            (TrustedIssuerCommand::Delete, Some(_)) => Ok(vec![TrustedIssuerEvent::Deleted {}]),
            (TrustedIssuerCommand::Delete, None) if issuer.deleted => Ok(vec![]),
            (TrustedIssuerCommand::Update { .. } | TrustedIssuerCommand::Delete, None) => Err(TrustedIssuerRefusal::NotFound),
        }
    }

    fn evolve(issuer: TrustedIssuer, event: &TrustedIssuerEvent, at: Timestamp) -> TrustedIssuer {
        match event {
            TrustedIssuerEvent::Registered { settings } => {
                TrustedIssuer { settings: Some(settings.clone()), registered_at: Some(at), ..issuer }
            }
            TrustedIssuerEvent::Updated { settings } => TrustedIssuer { settings: Some(settings.clone()), ..issuer },
            TrustedIssuerEvent::Deleted {} => TrustedIssuer { settings: None, deleted: true, ..issuer },
        }
    }
}
