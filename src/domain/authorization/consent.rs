use super::{ConsentReason, Prompt};
use crate::protocol::{ClientMetadata, ClientType, Scope};

const OFFLINE_ACCESS: &str = "offline_access";

/// Why the person must be asked before this client is granted `requested`; nothing when they need not be.
///
/// `agreed` is what the person's grant to the client holds: nothing when there is none or when it was revoked.
pub fn consent_required(
    client: &ClientMetadata,
    prompt: &[Prompt],
    requested: &Scope,
    agreed: &Scope,
    remember_offline_access: bool,
) -> Option<ConsentReason> {
    // OIDC Core §3.1.2.1: with `prompt=consent` the person is asked, whatever was agreed before.
    let prompted = prompt.contains(&Prompt::Consent);
    // OIDC Core §11: access while the person is away always needs consent, unless other conditions allow it. Ours are
    // that the operator trusts the client with it, or that it was agreed before and agreement is remembered.
    let offline = requested.contains(OFFLINE_ACCESS);
    let offline_agreed = agreed.contains(OFFLINE_ACCESS);
    match client.client_type {
        ClientType::FirstParty => {
            let excused = client.bypass_consent_for_offline_access || offline_agreed;
            first_of([(prompted, ConsentReason::PromptConsent), (offline && !excused, ConsentReason::OfflineAccess)])
        }
        // A machine client acts for nobody and never gets here; if one did, it would not be trusted more than a stranger.
        ClientType::ThirdParty | ClientType::Machine => first_of([
            (agreed.is_empty(), ConsentReason::FirstTime),
            (!requested.is_subset(agreed), ConsentReason::ScopesAdded),
            (prompted, ConsentReason::PromptConsent),
            (offline && !(remember_offline_access && offline_agreed), ConsentReason::OfflineAccess),
        ]),
    }
}

fn first_of<const N: usize>(reasons: [(bool, ConsentReason); N]) -> Option<ConsentReason> {
    reasons.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
}
