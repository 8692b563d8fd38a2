use super::{ConsentReason, Known, Prompt};
use crate::{
    domain::{grant::EarlierConsent, policy::OFFLINE_ACCESS},
    protocol::{ClientType, Scope},
};

/// Why the person must be asked before the client is granted `grantable`, which is what they can grant of what it asks;
/// nothing when they need not be.
pub fn consent_required(known: &Known<'_>, earlier: &EarlierConsent, grantable: &Scope) -> Option<ConsentReason> {
    let Known { client, client_sha256, remember_offline_access, .. } = *known;
    // OIDC Core §3.1.2.1: with `prompt=consent` the person is asked, whatever was agreed before.
    let prompted = known.parameters.prompt.contains(&Prompt::Consent);
    // OIDC Core §11: access while the person is away always needs consent, unless other conditions allow it. Ours are
    // that the operator trusts the client with it, or that it was agreed before and agreement is remembered.
    let offline = grantable.contains(OFFLINE_ACCESS);
    let offline_agreed = earlier.scope.contains(OFFLINE_ACCESS);
    match client.client_type {
        ClientType::FirstParty => {
            let bypass = client.bypass_consent_for_offline_access;
            first_of([
                // Who has disconnected a client is not connected to it again behind their back, whosever it is.
                (earlier.revoked, ConsentReason::Revoked),
                (prompted, ConsentReason::PromptConsent),
                (offline && !bypass && earlier.expired.contains(OFFLINE_ACCESS), ConsentReason::ConsentExpired),
                (offline && !bypass && !offline_agreed, ConsentReason::OfflineAccess),
            ])
        }
        // A machine client acts for nobody and never gets here; if one did, it would not be trusted more than a stranger.
        ClientType::ThirdParty | ClientType::Machine => {
            let has_changed = earlier.client_sha256.as_deref().is_some_and(|before| before != client_sha256);
            first_of([
                (earlier.revoked, ConsentReason::Revoked),
                (earlier.scope.is_empty() && earlier.expired.is_empty(), ConsentReason::FirstTime),
                (!grantable.intersection(&earlier.expired).is_empty(), ConsentReason::ConsentExpired),
                (has_changed, ConsentReason::ClientChanged),
                (!grantable.is_subset(&earlier.scope), ConsentReason::ScopesAdded),
                (prompted, ConsentReason::PromptConsent),
                (offline && !(remember_offline_access && offline_agreed), ConsentReason::OfflineAccess),
            ])
        }
    }
}

fn first_of<const N: usize>(reasons: [(bool, ConsentReason); N]) -> Option<ConsentReason> {
    reasons.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
}
