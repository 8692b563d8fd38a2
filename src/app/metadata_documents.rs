//! Clients whose id is the URL of a document: the document is fetched when the client asks for something, and what it says is
//! recorded in the client's stream.

use std::{convert::Infallible, fmt::Write as _, sync::Arc};

use aws_lc_rs::digest;
use quick_cache::sync::Cache;
use tokio::sync::Mutex;

use super::{
    Authority, Context, Trouble, UseCaseError,
    fetch::{FetchRequest, Fetched},
};
use crate::{
    domain::{
        ClientId, Seconds, Timestamp,
        client::{Client, ClientCommand, Registration},
    },
    protocol::{
        ClientMetadata, MetadataProblem, SelfRegistrable,
        metadata_document::{DocumentUrl, NoDocumentUrl, read_document},
    },
};

const ACCEPT: &str = "application/json";
/// How long a document is good at least and at most; the least when its server does not say.
const FRESH_FOR: (Seconds, Seconds) = (Seconds(300), Seconds(86_400));
/// How long what is recorded is good when the document can't be had any more.
const STALE_FOR: Seconds = Seconds(86_400);
/// After how long it is tried again, while what is recorded is good.
const RETRY_AFTER: Seconds = Seconds(30);
/// How many clients' documents are known to be fresh.
const REMEMBERED: usize = 10_000;

/// Why a client of a document may not ask for anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentRefusal {
    /// Its id can't be the URL of a document.
    #[error(transparent)]
    Url(#[from] NoDocumentUrl),
    /// Its id is a URL that is not fetched from.
    #[error("the client_id is not a public https URL")]
    NotFetched,
    /// Nobody could be asked.
    #[error("the metadata document of the client can't be fetched")]
    Unreachable,
    /// It is not there any more, or never was.
    #[error("there is no metadata document at the client_id")]
    Gone,
    /// Its server answered something else.
    #[error("the server of the client_id does not answer with a metadata document but with the status {0}")]
    Status(u16),
    /// It is of another media type.
    #[error("the metadata document is not application/json")]
    MediaType,
    /// It is not acceptable.
    #[error("the metadata document is not acceptable: {}", listed(.0))]
    Invalid(Vec<MetadataProblem>),
}

impl DocumentRefusal {
    /// The reason as programs read it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url(_) | Self::NotFetched => "client_id_not_acceptable",
            Self::Unreachable => "metadata_document_unreachable",
            Self::Gone => "metadata_document_gone",
            Self::Status(_) => "metadata_document_status",
            Self::MediaType => "metadata_document_media_type",
            Self::Invalid(_) => "metadata_document_invalid",
        }
    }
}

fn listed(problems: &[MetadataProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What is known of documents beside what is recorded: the log has when one changed, and not when it was looked at.
pub struct Documents {
    seen: Cache<ClientId, Seen>,
    turns: Cache<ClientId, Arc<Mutex<()>>>,
}

#[derive(Clone, Copy)]
struct Seen {
    /// When it was last found to be as recorded.
    confirmed_at: Timestamp,
    /// Until when it is not looked at again.
    fresh_until: Timestamp,
}

impl Default for Documents {
    fn default() -> Self {
        Self { seen: Cache::new(REMEMBERED), turns: Cache::new(REMEMBERED) }
    }
}

impl Documents {
    /// One fetch of a document at a time.
    fn turn(&self, client_id: &ClientId) -> Arc<Mutex<()>> {
        match self.turns.get_or_insert_with(client_id, || Ok::<_, Infallible>(Arc::default())) {
            Ok(turn) => turn,
            Err(never) => match never {},
        }
    }

    fn is_fresh(&self, client_id: &ClientId, now: Timestamp) -> bool {
        self.seen.get(client_id).is_some_and(|seen| now < seen.fresh_until)
    }
}

impl Authority {
    /// What is registered about a client that asks for something; None when it may not. A client whose id is the URL of
    /// a document is looked up there first.
    pub(super) async fn client_asking(
        &self,
        context: &Context,
        client_id: &ClientId,
    ) -> Result<Option<ClientMetadata>, UseCaseError<DocumentRefusal>> {
        let client = self.client(client_id).await?;
        if self.settings.registration.metadata_documents && DocumentUrl::is_meant(client_id) && is_of_document(&client) {
            self.refresh_document(context, client_id).await?;
        }
        Ok(self.active_client(client_id).await?)
    }

    async fn refresh_document(&self, context: &Context, client_id: &ClientId) -> Result<(), UseCaseError<DocumentRefusal>> {
        let refused = UseCaseError::Refused;
        let url = DocumentUrl::parse(client_id).map_err(|why| refused(why.into()))?;
        self.outside.fetch.check(url.as_str()).map_err(|_| refused(DocumentRefusal::NotFetched))?;
        if self.documents.is_fresh(client_id, self.now()) {
            return Ok(());
        }
        let turn = self.documents.turn(client_id);
        let _turn = turn.lock().await;
        let now = self.now();
        // Somebody else may have fetched it meanwhile.
        if self.documents.is_fresh(client_id, now) {
            return Ok(());
        }
        match self.fetch_document(&url).await {
            Ok(document) => {
                let command = ClientCommand::RecordDocument { metadata: document.metadata, document_sha256: document.sha256 };
                self.record(context, client_id, command).await?;
                self.documents.seen.insert(client_id.clone(), Seen { confirmed_at: now, fresh_until: now.plus(document.fresh_for) });
                Ok(())
            }
            Err(DocumentRefusal::Gone) => {
                if self.client(client_id).await?.is_registered() {
                    self.record(context, client_id, ClientCommand::WithdrawDocument).await?;
                }
                self.documents.seen.remove(client_id);
                Err(refused(DocumentRefusal::Gone))
            }
            Err(why) => {
                let client = self.client(client_id).await?;
                let confirmed_at = self.documents.seen.get(client_id).map(|seen| seen.confirmed_at).or(client.document_seen_at());
                match confirmed_at.filter(|_| !client.is_withdrawn()) {
                    Some(confirmed_at) if now < confirmed_at.plus(STALE_FOR) => {
                        self.documents.seen.insert(client_id.clone(), Seen { confirmed_at, fresh_until: now.plus(RETRY_AFTER) });
                        Ok(())
                    }
                    _ => Err(refused(why)),
                }
            }
        }
    }

    async fn fetch_document(&self, url: &DocumentUrl) -> Result<Document, DocumentRefusal> {
        let request = FetchRequest { url: url.as_str().to_owned(), accept: ACCEPT };
        // Why it can't be reached is for the log: it tells what can be reached from here.
        let answer = self.outside.fetch.fetch(request).await.map_err(|_| DocumentRefusal::Unreachable)?;
        match answer.status {
            200 => self.read(url, &answer),
            404 | 410 => Err(DocumentRefusal::Gone),
            status => Err(DocumentRefusal::Status(status)),
        }
    }

    fn read(&self, url: &DocumentUrl, answer: &Fetched) -> Result<Document, DocumentRefusal> {
        if !answer.is_of_type(ACCEPT) {
            return Err(DocumentRefusal::MediaType);
        }
        let registration = &self.settings.registration;
        let registrable = SelfRegistrable { scopes: &registration.scopes, redirect_uris: registration.max_redirect_uris };
        let metadata = read_document(url, &answer.body, registrable).map_err(DocumentRefusal::Invalid)?;
        let (least, most) = FRESH_FOR;
        let fresh_for = answer.fresh_for.unwrap_or(least).clamp(least, most);
        Ok(Document { metadata, sha256: hexadecimal(digest::digest(&digest::SHA256, &answer.body).as_ref()), fresh_for })
    }

    /// A client that an administrator deleted, or registered himself meanwhile, stays as it is.
    async fn record(&self, context: &Context, client_id: &ClientId, command: ClientCommand) -> Result<(), Trouble> {
        match self.clients.execute(&self.outside, context, &client_id.stream(), &command).await {
            Ok(_) | Err(UseCaseError::Refused(_)) => Ok(()),
            Err(UseCaseError::Trouble(trouble)) => Err(trouble),
        }
    }
}

/// A document, read.
struct Document {
    metadata: ClientMetadata,
    sha256: String,
    fresh_for: Seconds,
}

/// Whether what is known of the client comes from its document, or nothing is known. Whom an administrator stopped is not
/// asked either.
fn is_of_document(client: &Client) -> bool {
    let unknown = !client.is_registered() && !client.is_deleted();
    let of_document = client.is_registered() && client.standing().registration() == Registration::MetadataDocument;
    (unknown || of_document) && !client.is_suspended()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
