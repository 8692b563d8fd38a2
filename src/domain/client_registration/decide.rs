use std::convert::Infallible;

use super::ClientRegistrationEvent;
use crate::domain::{ClientId, Decider, Timestamp};

/// The client that a description stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientRegistration {
    client_id: Option<ClientId>,
}

impl ClientRegistration {
    /// Which it is for now.
    pub fn client_id(&self) -> Option<&ClientId> {
        self.client_id.as_ref()
    }
}

/// Decides which client it is.
#[derive(Clone, Copy, Debug)]
pub struct ClientRegistrationDecider;

/// Makes `candidate` the client, unless there is one already.
#[derive(Clone, Debug)]
pub struct AssignClient {
    /// The client to be.
    pub candidate: ClientId,
    /// The client that is no more, or is another one by now, and may be replaced.
    pub replaces: Option<ClientId>,
}

impl Decider for ClientRegistrationDecider {
    type State = ClientRegistration;
    type Command = AssignClient;
    type Event = ClientRegistrationEvent;
    /// Whoever comes second takes the client that is there.
    type Refusal = Infallible;

    fn decide(registration: &ClientRegistration, command: &AssignClient, _: Timestamp) -> Result<Vec<ClientRegistrationEvent>, Infallible> {
        // Nothing yet, or the very client that was found to be gone: not one that somebody else has put in its place since.
        let is_free = registration.client_id.is_none() || registration.client_id == command.replaces;
        Ok(if is_free { vec![ClientRegistrationEvent::Assigned { client_id: command.candidate.clone() }] } else { Vec::new() })
    }

    fn evolve(_: ClientRegistration, event: &ClientRegistrationEvent, _: Timestamp) -> ClientRegistration {
        match event {
            ClientRegistrationEvent::Assigned { client_id } => ClientRegistration { client_id: Some(client_id.clone()) },
        }
    }
}
