//! Record that somebody looks at the history, before they see it.

use super::{Authority, Context, Trouble, UseCaseError};
use crate::domain::{
    StreamId, StreamKind,
    audit::{AuditCommand, Filters, Question},
};

impl Authority {
    /// Records a question. Who asks is the context's actor; `reader` names them in the stream, which begins anew each day,
    /// so that none grows without end.
    pub async fn record_audit_read(&self, context: &Context, reader: &str, what: Question, filters: Filters) -> Result<(), Trouble> {
        let day: String = self.now().to_rfc3339().chars().take_while(|digit| *digit != 'T').filter(|digit| *digit != '-').collect();
        let stream = StreamId::new(StreamKind::Audit, &format!("{day}-{reader}"));
        match self.audits.execute(&self.outside, context, &stream, &AuditCommand::Record { what, filters }).await {
            Ok(_) => Ok(()),
            Err(UseCaseError::Refused(never)) => match never {},
            Err(UseCaseError::Trouble(trouble)) => Err(trouble),
        }
    }
}
