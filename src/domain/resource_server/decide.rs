use super::{ResourceServer, ResourceServerEvent};
use crate::{
    domain::{Decider, Timestamp},
    protocol::ResourceServerSettings,
};

/// What can be asked of a resource server.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceServerCommand {
    /// Begin to exist.
    Register {
        /// What is registered about it.
        settings: ResourceServerSettings,
    },
    /// Replace what is registered about it.
    Update {
        /// The whole of it, as it is to be.
        settings: ResourceServerSettings,
    },
    /// End.
    Delete,
}

/// Why something may not happen to a resource server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceServerRefusal {
    /// The identifier is taken.
    #[error("a resource server with this identifier is registered")]
    AlreadyExists,
    /// It was never registered, or it was deleted.
    #[error("there is no such resource server")]
    NotFound,
    /// Its tokens name it by the identifier.
    #[error("identifier of a resource server can't be changed")]
    IdentifierChanged,
}

/// What may happen to a resource server.
#[derive(Debug)]
pub struct ResourceServerDecider;

impl Decider for ResourceServerDecider {
    type State = ResourceServer;
    type Command = ResourceServerCommand;
    type Event = ResourceServerEvent;
    type Refusal = ResourceServerRefusal;

    fn decide(
        server: &ResourceServer,
        command: &ResourceServerCommand,
        _now: Timestamp,
    ) -> Result<Vec<ResourceServerEvent>, ResourceServerRefusal> {
        match (command, server.settings()) {
            (ResourceServerCommand::Register { .. }, Some(_)) => Err(ResourceServerRefusal::AlreadyExists),
            (ResourceServerCommand::Register { settings }, None) => {
                Ok(vec![ResourceServerEvent::Registered { settings: settings.clone() }])
            }
            (ResourceServerCommand::Update { settings }, Some(current)) => update(current, settings),
            (ResourceServerCommand::Delete, Some(_)) => Ok(vec![ResourceServerEvent::Deleted {}]),
            // It was there: deleting it again is no error.
            (ResourceServerCommand::Delete, None) if server.registered_at().is_some() => Ok(vec![]),
            (ResourceServerCommand::Update { .. } | ResourceServerCommand::Delete, None) => Err(ResourceServerRefusal::NotFound),
        }
    }

    fn evolve(server: ResourceServer, event: &ResourceServerEvent, at: Timestamp) -> ResourceServer {
        server.evolve(event, at)
    }
}

fn update(current: &ResourceServerSettings, settings: &ResourceServerSettings) -> Result<Vec<ResourceServerEvent>, ResourceServerRefusal> {
    if settings == current {
        return Ok(vec![]);
    }
    if settings.identifier != current.identifier {
        return Err(ResourceServerRefusal::IdentifierChanged);
    }
    Ok(vec![ResourceServerEvent::Updated { settings: settings.clone() }])
}
