//! Brings checkpoints out of the operator's hands: to witnesses, which cosign them (C2SP tlog-witness), and to URLs where
//! somebody keeps them. Nobody who signs waits for it; whoever could not be reached is told the newest one later.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use grantlog_core::{
    app::fetch::{Fetch, FetchError, Fetched, PostRequest},
    ledger::{CosignatureError, NoteError, WitnessKey, add_checkpoint, cosigned_at, with_cosignatures},
};
use tokio::time::sleep;

use super::{database::KeptCheckpoint, reader::LedgerError, runner::Ledger};

/// When somebody who was not reached is tried again, unless there is a newer checkpoint before.
const RETRY: Duration = Duration::from_secs(30);
const NOTE: &str = "text/plain; charset=utf-8";

/// Somebody who cosigns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// What verifies their cosignatures.
    pub key: WitnessKey,
    /// Where they take checkpoints: the URL before `/add-checkpoint`.
    pub url: String,
}

/// Who is told of checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchors {
    /// Those who cosign.
    pub witnesses: Vec<Witness>,
    /// URLs that each newest checkpoint is posted to, with its cosignatures.
    pub post_to: Vec<String>,
}

/// Hands every newest checkpoint over, until the ledger is gone.
pub async fn keep_anchored(ledger: Arc<Ledger>, fetch: Arc<dyn Fetch>, anchors: Anchors) {
    let mut published = ledger.published_changes();
    let witnesses = anchors.witnesses.into_iter().map(|witness| Cosigner { witness, seen: 0 }).collect();
    let recipients = anchors.post_to.into_iter().map(|url| Recipient { url, has: String::new() }).collect();
    let mut anchoring = Anchoring { ledger, fetch, witnesses, recipients };
    loop {
        let newest = published.borrow_and_update().clone();
        let everybody_has_it = match newest {
            Some(newest) => anchoring.hand_over(newest).await,
            None => true,
        };
        tokio::select! {
            changed = published.changed() => if changed.is_err() { return },
            () = sleep(RETRY), if !everybody_has_it => {}
        }
    }
}

struct Anchoring {
    ledger: Arc<Ledger>,
    fetch: Arc<dyn Fetch>,
    witnesses: Vec<Cosigner>,
    recipients: Vec<Recipient>,
}

struct Cosigner {
    witness: Witness,
    /// The size of the tree that they saw last, as far as we know.
    seen: u64,
}

struct Recipient {
    url: String,
    /// The note that they were given last.
    has: String,
}

/// Why a checkpoint was not handed over.
#[derive(Debug, thiserror::Error)]
enum NotHandedOver {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Cosignature(#[from] CosignatureError),
    #[error("they answered {0}")]
    Status(u16),
    #[error("they answered 409 without the size that they have seen")]
    NoSize,
    #[error("they have seen a log of {seen} events, and there are {size}: it was cut off, or there are two")]
    SawMore { seen: u64, size: u64 },
    #[error("they have seen another log of {0} events")]
    SawAnother(u64),
}

impl From<NoteError> for NotHandedOver {
    fn from(error: NoteError) -> Self {
        Self::Cosignature(error.into())
    }
}

impl Anchoring {
    /// Tells everybody. Says whether all of them have it now.
    async fn hand_over(&mut self, newest: KeptCheckpoint) -> bool {
        let (cosigned, by_all) = self.cosign(newest).await;
        let to_all = self.post(&cosigned).await;
        if by_all && to_all {
            self.ledger.note_anchored(cosigned.size);
        }
        by_all && to_all
    }

    /// The checkpoint with all cosignatures that can be had now, and whether those are all there should be.
    async fn cosign(&mut self, newest: KeptCheckpoint) -> (KeptCheckpoint, bool) {
        let (ledger, fetch) = (&self.ledger, self.fetch.as_ref());
        let answers = join_all(self.witnesses.iter_mut().map(|witness| witness.cosign(ledger, fetch, &newest))).await;
        let (mut cosigned, mut by_all) = (newest.clone(), true);
        for (Cosigner { witness, .. }, answer) in self.witnesses.iter().zip(answers) {
            let added = answer.and_then(|answer| match answer {
                Some(answer) => Ok(with_cosignatures(&cosigned.note, &answer, &witness.key)?),
                None => Ok(cosigned.note.clone()),
            });
            match added {
                Ok(note) => cosigned.note = note,
                Err(error) => {
                    by_all = false;
                    tracing::error!(witness = witness.key.name(), size = newest.size, %error, "a checkpoint is not cosigned");
                }
            }
        }
        if cosigned != newest
            && let Err(error) = self.ledger.publish_cosigned(cosigned.clone()).await
        {
            by_all = false;
            tracing::error!(%error, size = newest.size, "cosignatures can't be kept");
        }
        (cosigned, by_all)
    }

    async fn post(&mut self, checkpoint: &KeptCheckpoint) -> bool {
        let fetch = self.fetch.as_ref();
        let posted = join_all(self.recipients.iter_mut().map(|recipient| recipient.post(fetch, checkpoint))).await;
        for (recipient, outcome) in self.recipients.iter().zip(&posted) {
            if let Err(error) = outcome {
                tracing::error!(url = recipient.url, size = checkpoint.size, %error, "a checkpoint can't be posted");
            }
        }
        posted.iter().all(Result::is_ok)
    }
}

impl Cosigner {
    /// Asks for a cosignature, unless there is one: the signature lines, verified.
    async fn cosign(&mut self, ledger: &Ledger, fetch: &dyn Fetch, checkpoint: &KeptCheckpoint) -> Result<Option<String>, NotHandedOver> {
        let (note, size) = (checkpoint.note.as_str(), checkpoint.size);
        if cosigned_at(note, &self.witness.key)?.is_some() {
            return Ok(None);
        }
        let mut answer = self.add_checkpoint(ledger, fetch, note, size).await?;
        // C2SP tlog-witness: a conflict tells which tree the witness has seen; the proof then starts there.
        if answer.status == 409 {
            let seen = text(&answer).trim_end().parse().map_err(|_| NotHandedOver::NoSize)?;
            if seen > size {
                return Err(NotHandedOver::SawMore { seen, size });
            }
            self.seen = seen;
            answer = self.add_checkpoint(ledger, fetch, note, size).await?;
        }
        match answer.status {
            200 => {
                let lines = text(&answer).into_owned();
                with_cosignatures(note, &lines, &self.witness.key)?;
                self.seen = size;
                Ok(Some(lines))
            }
            // The size is the one that they told, and still: the trees are different. 422: the proof does not hold for them.
            409 | 422 => Err(NotHandedOver::SawAnother(self.seen)),
            status => Err(NotHandedOver::Status(status)),
        }
    }

    async fn add_checkpoint(&self, ledger: &Ledger, fetch: &dyn Fetch, note: &str, size: u64) -> Result<Fetched, NotHandedOver> {
        let proof = if self.seen == 0 { Vec::new() } else { ledger.consistency_hashes(self.seen, size).await? };
        let url = format!("{}/add-checkpoint", self.witness.url.trim_end_matches('/'));
        let body = add_checkpoint(self.seen, &proof, note).into();
        Ok(fetch.post(PostRequest { url, content_type: NOTE, body }).await?)
    }
}

impl Recipient {
    async fn post(&mut self, fetch: &dyn Fetch, checkpoint: &KeptCheckpoint) -> Result<(), NotHandedOver> {
        if self.has == checkpoint.note {
            return Ok(());
        }
        let body = checkpoint.note.clone().into();
        let answer = fetch.post(PostRequest { url: self.url.clone(), content_type: NOTE, body }).await?;
        if !(200..300).contains(&answer.status) {
            return Err(NotHandedOver::Status(answer.status));
        }
        self.has.clone_from(&checkpoint.note);
        Ok(())
    }
}

fn text(answer: &Fetched) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(&answer.body)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use grantlog_core::{
        app::fetch::FetchRequest,
        jose::SigningKey,
        ledger::{Hash, SignedCheckpoint, verify_consistency},
    };

    use super::*;
    use crate::{
        LedgerRunner,
        ledger::tests::{event, events, key, options},
        testing::Log,
    };

    const SECONDS: u64 = 1_772_546_400;

    /// A world with one witness, who keeps what the specification says, and one recipient.
    #[derive(Default)]
    struct World {
        seen: Mutex<(u64, Option<Hash>)>,
        requests: Mutex<Vec<String>>,
        posted: Mutex<Vec<String>>,
        unreachable: Mutex<bool>,
    }

    fn witness() -> Witness {
        let public = SigningKey::from_ed25519_seed(&[7; 32]).ed25519_public().unwrap();
        Witness { key: WitnessKey::new("witness.example/w1", public).unwrap(), url: "https://witness.example/".into() }
    }

    fn cosign(note: &str) -> String {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        let body = note.split_once("\n\n").unwrap().0;
        let signature = SigningKey::from_ed25519_seed(&[7; 32]).sign(format!("cosignature/v1\ntime {SECONDS}\n{body}\n").as_bytes());
        let key = witness().key.to_string();
        let id = u32::from_str_radix(key.split('+').nth(1).unwrap(), 16).unwrap();
        let bytes = [id.to_be_bytes().as_slice(), &SECONDS.to_be_bytes(), &signature].concat();
        format!("\u{2014} witness.example/w1 {}\n", BASE64_STANDARD.encode(bytes))
    }

    impl World {
        fn add_checkpoint(&self, body: &str) -> (u16, String) {
            let (head, note) = body.split_once("\n\n").unwrap();
            let mut lines = head.lines();
            let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
            let proof: Vec<Hash> = lines.map(|line| line.parse().unwrap()).collect();
            let Ok(SignedCheckpoint { checkpoint, .. }) = SignedCheckpoint::verify(note, &[key()]) else { return (403, String::new()) };
            let mut seen = self.seen.lock().unwrap();
            let (size, root) = *seen;
            if old != size {
                return (409, format!("{size}\n"));
            }
            if let Some(root) = root
                && !verify_consistency((old, &root), (checkpoint.size, &checkpoint.root), &proof)
            {
                return (422, String::new());
            }
            *seen = (checkpoint.size, Some(checkpoint.root));
            (200, cosign(note))
        }
    }

    #[async_trait]
    impl Fetch for World {
        fn check(&self, _: &str) -> Result<(), FetchError> {
            Ok(())
        }

        async fn fetch(&self, _: FetchRequest) -> Result<Fetched, FetchError> {
            Err(FetchError::Busy)
        }

        async fn post(&self, request: PostRequest) -> Result<Fetched, FetchError> {
            if *self.unreachable.lock().unwrap() {
                return Err(FetchError::TimedOut);
            }
            let body = String::from_utf8(request.body.to_vec()).unwrap();
            let (status, answer) = if request.url == "https://witness.example/add-checkpoint" {
                self.requests.lock().unwrap().push(body.lines().next().unwrap().to_owned());
                self.add_checkpoint(&body)
            } else {
                self.posted.lock().unwrap().push(body);
                (204, String::new())
            };
            Ok(Fetched { status, content_type: None, fresh_for: None, body: answer.into() })
        }
    }

    fn anchors() -> Anchors {
        Anchors { witnesses: vec![witness()], post_to: vec!["https://archive.example/".into()] }
    }

    struct Stage {
        log: Log,
        world: Arc<World>,
        runner: LedgerRunner,
        task: tokio::task::JoinHandle<()>,
    }

    async fn stage(world: World) -> Stage {
        let (log, world) = (Log::with(&events(300)), Arc::new(world));
        let runner = LedgerRunner::start(log.store(), options(None)).await.unwrap();
        let task = tokio::spawn(keep_anchored(runner.ledger(), world.clone(), anchors()));
        Stage { log, world, runner, task }
    }

    impl Stage {
        /// Signs, and waits until everybody has it.
        async fn sign(&self) -> KeptCheckpoint {
            let ledger = self.runner.ledger();
            let size = ledger.sign().await.unwrap().size;
            while ledger.anchored() < size {
                sleep(Duration::from_millis(100)).await;
            }
            ledger.published().unwrap()
        }
    }

    fn is_cosigned(note: &str) -> bool {
        cosigned_at(note, &witness().key).unwrap().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn c2sp_tlog_witness_each_newest_checkpoint_is_cosigned_and_posted() {
        let stage = stage(World::default()).await;
        let first = stage.sign().await;
        assert!(is_cosigned(&first.note));
        stage.log.push(&[event(301), event(302)]);
        let second = stage.sign().await;
        assert_eq!((second.size, is_cosigned(&second.note)), (302, true));
        // What is kept has it too, and so do proofs and exports.
        let kept = stage.runner.ledger().checkpoints(0, 9).await.unwrap();
        assert_eq!(kept, [first.clone(), second.clone()]);
        assert_eq!(*stage.world.requests.lock().unwrap(), ["old 0", "old 300"]);
        assert_eq!(*stage.world.posted.lock().unwrap(), [first.note, second.note]);
        stage.task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn c2sp_tlog_witness_a_conflict_tells_where_the_proof_starts() {
        let world = World::default();
        let before = LedgerRunner::start(Log::with(&events(120)).store(), options(None)).await.unwrap();
        *world.seen.lock().unwrap() = (120, Some(before.ledger().sign().await.unwrap().root));
        let stage = stage(world).await;
        assert!(is_cosigned(&stage.sign().await.note));
        assert_eq!(*stage.world.requests.lock().unwrap(), ["old 0", "old 120"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_made_good_later() {
        let stage = stage(World { unreachable: Mutex::new(true), ..World::default() }).await;
        let signed = stage.runner.ledger().sign().await.unwrap();
        sleep(Duration::from_mins(2)).await;
        assert_eq!((stage.runner.ledger().anchored(), is_cosigned(&signed.note)), (0, false));
        *stage.world.unreachable.lock().unwrap() = false;
        assert!(is_cosigned(&stage.sign().await.note));
    }

    #[tokio::test(start_paused = true)]
    async fn a_witness_who_saw_another_log_does_not_cosign() {
        for seen in [(300, Some(Hash([1; 32]))), (120, Some(Hash([1; 32]))), (301, Some(Hash([1; 32])))] {
            let stage = stage(World { seen: Mutex::new(seen), ..World::default() }).await;
            stage.runner.ledger().sign().await.unwrap();
            sleep(Duration::from_mins(1)).await;
            let newest = stage.runner.ledger().published().unwrap();
            assert_eq!((stage.runner.ledger().anchored(), is_cosigned(&newest.note)), (0, false), "{}", seen.0);
            // The others have it all the same.
            assert_eq!(stage.world.posted.lock().unwrap().len(), 1);
            stage.task.abort();
        }
    }
}
