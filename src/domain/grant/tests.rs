use uuid::Uuid;

use super::*;
use crate::{
    domain::{
        AuthorizationId, ClientId, OrganizationId, Seconds, SubjectId, Timestamp,
        authorization::{Authentication, Basis, ConsentReason},
        testing::{Outcome, Spec},
    },
    protocol::{AccessTokenFormat, CodeChallenge, CodeVerifier, RedirectUri, Scope},
};

type Given = Spec<GrantDecider>;

// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://app.example/callback";
const ACCESS: Seconds = Seconds(300);
const REFRESH: Seconds = Seconds(86_400);
const GRACE: Seconds = Seconds(30);
const CODE: Seconds = Seconds(60);
const FAMILY: FamilyNumber = FamilyNumber(0);

pub(super) fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

pub(super) fn authorization(number: u128) -> AuthorizationId {
    AuthorizationId(Uuid::from_u128(number))
}

pub(super) fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

pub(super) fn app() -> ClientId {
    ClientId::from("app")
}

pub(super) fn subject() -> SubjectId {
    SubjectId(Uuid::from_u128(77))
}

pub(super) fn verifier(text: &str) -> CodeVerifier {
    CodeVerifier::parse(text).unwrap()
}

pub(super) fn right_verifier() -> CodeVerifier {
    verifier(VERIFIER)
}

fn redirect_uri() -> RedirectUri {
    serde_json::from_value(CALLBACK.into()).unwrap()
}

fn challenge() -> CodeChallenge {
    serde_json::from_value(CHALLENGE.into()).unwrap()
}

pub(super) fn binding(text: &str) -> CodeBinding {
    CodeBinding {
        redirect_uri: redirect_uri(),
        redirect_uri_given: true,
        code_challenge: Some(challenge()),
        scope: scope(text),
        nonce: Some("n-0S6_WzA2Mj".into()),
        authentication: Authentication { auth_time: seconds(0), acr: None, amr: vec!["pwd".into()] },
        roles: vec![],
        claims: None,
        resources: vec![],
    }
}

pub(super) fn consent(number: u128, text: &str, code_expires_at: Timestamp) -> RecordConsent {
    RecordConsent {
        subject: subject(),
        client_id: app(),
        organization_id: None,
        authorization_id: authorization(number),
        scope: scope(text),
        reason: Some(ConsentReason::FirstTime),
        shown: None,
        basis: Basis::default(),
        binding: binding(text),
        code_expires_at,
        cut_off: None,
    }
}

pub(super) fn issue() -> Issue {
    Issue {
        audience: vec!["https://api.example".into()],
        withheld: Scope::default(),
        format: AccessTokenFormat::Jwt,
        access_token_lifetime: ACCESS,
        consent_lifetime: None,
        refresh_token_lifetime: Some(REFRESH),
    }
}

pub(super) fn redeem(number: u128) -> RedeemCode {
    RedeemCode {
        authorization_id: authorization(number),
        client_id: app(),
        redirect_uri: None,
        code_verifier: Some(right_verifier()),
        resources: vec![],
        issue: issue(),
    }
}

pub(super) fn refresh(family: u32, generation: u32) -> Refresh {
    Refresh {
        client_id: app(),
        family: FamilyNumber(family),
        generation: Generation(generation),
        scope: None,
        resources: vec![],
        grace: GRACE,
        issue: issue(),
    }
}

fn opened() -> GrantEvent {
    GrantEvent::Opened { subject: subject(), client_id: app(), organization_id: None }
}

fn consented(number: u128, text: &str) -> GrantEvent {
    GrantEvent::Consented {
        authorization_id: authorization(number),
        scope: scope(text),
        reason: Some(ConsentReason::FirstTime),
        shown: None,
        basis: Basis::default(),
    }
}

fn code_issued(number: u128, binding: CodeBinding) -> GrantEvent {
    GrantEvent::CodeIssued { authorization_id: authorization(number), binding, expires_at: Timestamp::default().plus(CODE) }
}

fn code_redeemed(number: u128, family: u32) -> GrantEvent {
    GrantEvent::CodeRedeemed { authorization_id: authorization(number), family: FamilyNumber(family) }
}

fn code_replayed(number: u128) -> GrantEvent {
    GrantEvent::CodeReplayed { authorization_id: authorization(number) }
}

fn access(token: u32, family: u32, text: &str, at: Timestamp) -> GrantEvent {
    GrantEvent::AccessTokenIssued {
        token: TokenNumber(token),
        family: FamilyNumber(family),
        scope: scope(text),
        audience: issue().audience,
        format: AccessTokenFormat::Jwt,
        expires_at: at.plus(ACCESS),
    }
}

fn refresh_issued(family: u32, at: Timestamp) -> GrantEvent {
    GrantEvent::RefreshTokenIssued { family: FamilyNumber(family), expires_at: at.plus(REFRESH) }
}

fn rotated(family: u32, generation: u32, at: Timestamp) -> GrantEvent {
    GrantEvent::RefreshTokenRotated { family: FamilyNumber(family), generation: Generation(generation), expires_at: at.plus(REFRESH) }
}

fn refresh_replayed(family: u32, generation: u32) -> GrantEvent {
    GrantEvent::RefreshTokenReplayed { family: FamilyNumber(family), generation: Generation(generation) }
}

fn ended(family: u32, reason: RevocationReason) -> GrantEvent {
    GrantEvent::FamilyEnded { family: FamilyNumber(family), reason }
}

fn revoked() -> GrantEvent {
    GrantEvent::Revoked { reason: RevocationReason::Disconnected }
}

/// A code was issued for request 1 with this binding.
fn with_code(binding: CodeBinding) -> Given {
    Given::given([opened(), consented(1, "email offline_access openid"), code_issued(1, binding)])
}

fn code_given() -> Given {
    with_code(binding("email offline_access openid"))
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A code for two resource servers.
fn resources_given() -> Given {
    with_code(CodeBinding { resources: owned(&["urn:a", "urn:b"]), roles: owned(&["editor"]), ..binding("openid") })
}

/// The code was redeemed at the epoch: family 0, access token 0, refresh token 0.
fn family_given() -> Given {
    let start = Timestamp::default();
    code_given().and([code_redeemed(1, 0), access(0, 0, "email offline_access openid", start), refresh_issued(0, start)])
}

/// The refresh token was rotated at second 100: access token 1, refresh token 1.
fn rotated_given() -> Given {
    family_given().at(seconds(100)).and([rotated(0, 1, seconds(100)), access(1, 0, "email offline_access openid", seconds(100))])
}

/// Two families, 0 and 1, begun at the epoch by requests 1 and 2.
fn two_families_given() -> Given {
    let start = Timestamp::default();
    let second = [
        code_issued(2, binding("offline_access openid")),
        code_redeemed(2, 1),
        access(1, 1, "offline_access openid", start),
        refresh_issued(1, start),
    ];
    family_given().and(second)
}

fn when_consent(given: Given, command: RecordConsent) -> Outcome<GrantDecider> {
    given.when(GrantCommand::RecordConsent(Box::new(command)))
}

fn when_redeem(given: Given, command: RedeemCode) -> Outcome<GrantDecider> {
    given.when(GrantCommand::RedeemCode(command))
}

fn when_refresh(given: Given, command: Refresh) -> Outcome<GrantDecider> {
    given.when(GrantCommand::Refresh(command))
}

fn when_revoke_token(given: Given, token: TokenRef, client: &str) -> Outcome<GrantDecider> {
    given.when(GrantCommand::RevokeToken(RevokeToken { token, client_id: ClientId::from(client) }))
}

fn when_revoke(given: Given) -> Outcome<GrantDecider> {
    given.when(GrantCommand::Revoke(Revoke { reason: RevocationReason::Disconnected }))
}

fn refresh_ref(family: u32, generation: u32) -> TokenRef {
    TokenRef::Refresh { family: FamilyNumber(family), generation: Generation(generation) }
}

mod consent {
    use super::*;

    fn expiry() -> Timestamp {
        Timestamp::default().plus(CODE)
    }

    #[test]
    fn the_first_consent_opens_the_grant() {
        when_consent(Given::given([]), consent(1, "email offline_access openid", expiry())).then([
            opened(),
            consented(1, "email offline_access openid"),
            code_issued(1, binding("email offline_access openid")),
        ]);
    }

    #[test]
    fn a_later_consent_adds_to_the_grant() {
        when_consent(code_given(), consent(2, "profile", expiry())).then([consented(2, "profile"), code_issued(2, binding("profile"))]);
        let grant = code_given().and([consented(2, "profile")]).state();
        assert_eq!(grant.consented(), &scope("email offline_access openid profile"));
    }

    #[test]
    fn a_consent_repeated_after_a_crash_records_nothing() {
        when_consent(code_given(), consent(1, "email offline_access openid", expiry())).then_nothing();
        when_consent(family_given(), consent(1, "email offline_access openid", expiry())).then_nothing();
    }

    #[test]
    fn a_consent_repeated_after_a_revocation_does_not_open_a_new_grant() {
        when_consent(code_given().and([revoked()]), consent(1, "email offline_access openid", expiry())).then_nothing();
    }

    #[test]
    fn a_revoked_grant_takes_no_new_consent() {
        when_consent(code_given().and([revoked()]), consent(2, "openid", expiry())).then_refused(GrantRefusal::Revoked);
    }

    #[test]
    fn a_grant_that_was_cut_off_takes_no_new_consent() {
        let opened_at_9 = || Given::given([]).at(seconds(9)).and([opened(), consented(1, "openid"), code_issued(1, binding("openid"))]);
        let cut_off_at = |second| Some(CutOff { at: seconds(second), reason: RevocationReason::OrganizationDisconnected });
        let after = |second| RecordConsent { cut_off: cut_off_at(second), ..consent(2, "openid", expiry()) };
        for second in [9, 10] {
            when_consent(opened_at_9(), after(second)).then_refused(GrantRefusal::CutOff);
        }
        when_consent(opened_at_9(), after(8)).then([consented(2, "openid"), code_issued(2, binding("openid"))]);
        // The code of a request that was answered before stays its answer.
        when_consent(opened_at_9(), RecordConsent { cut_off: cut_off_at(10), ..consent(1, "openid", expiry()) }).then_nothing();
        // One that is opened now was not there to be cut off.
        let first = RecordConsent { cut_off: cut_off_at(10), ..consent(1, "openid", expiry()) };
        when_consent(Given::given([]), first).then([opened(), consented(1, "openid"), code_issued(1, binding("openid"))]);
    }

    #[test]
    fn a_consent_of_other_parties_is_refused() {
        let base = || consent(2, "openid", expiry());
        let organization_id = Some(OrganizationId("acme".into()));
        let others = [
            RecordConsent { subject: SubjectId(Uuid::from_u128(78)), ..base() },
            RecordConsent { client_id: ClientId::from("other"), ..base() },
            RecordConsent { organization_id, ..base() },
        ];
        for other in others {
            when_consent(code_given(), other).then_refused(GrantRefusal::AnotherParty);
        }
    }

    #[test]
    fn a_code_is_bound_to_no_more_than_was_agreed() {
        let more = RecordConsent { binding: binding("admin openid"), ..consent(2, "openid", expiry()) };
        when_consent(code_given(), more).then_refused(GrantRefusal::ScopeExceeded);
    }

    #[test]
    fn a_code_may_use_what_was_agreed_before() {
        let skipped = RecordConsent { binding: binding("email offline_access openid"), ..consent(2, "openid", expiry()) };
        let events = [consented(2, "openid"), code_issued(2, binding("email offline_access openid"))];
        when_consent(code_given(), skipped).then(events);
    }

    #[test]
    fn rfc6749_4_1_2_a_forgotten_code_is_not_issued_again() {
        let later = seconds(200_000);
        let given = family_given().at(later).and([code_issued(2, binding("offline_access openid"))]);
        when_consent(given, consent(1, "openid", later.plus(CODE))).then_refused(GrantRefusal::TooLate);
    }
}

mod redemption {
    use super::*;

    #[test]
    fn rfc8707_2_2_a_redemption_may_narrow_the_resource_servers_and_never_widen_them() {
        let naming = |resources: &[&str]| RedeemCode { resources: owned(resources), ..redeem(1) };
        let start = Timestamp::default();
        for narrowed in [&[][..], &["urn:b"], &["urn:a", "urn:b"]] {
            when_redeem(resources_given(), naming(narrowed)).then([code_redeemed(1, 0), access(0, 0, "openid", start)]);
        }
        when_redeem(resources_given(), naming(&["urn:c"])).then_refused(GrantRefusal::ResourceNotGranted);
        when_redeem(code_given(), naming(&["urn:a"])).then_refused(GrantRefusal::ResourceNotGranted);
        // What is wrong with the code is said first.
        let thief = RedeemCode { client_id: ClientId::from("thief"), ..naming(&["urn:c"]) };
        when_redeem(resources_given(), thief).then_refused(GrantRefusal::NotTheClient);
    }

    #[test]
    fn a_family_keeps_roles_and_resource_servers_of_its_code() {
        assert_eq!(resources_given().state().binding(authorization(1)).unwrap().resources, owned(&["urn:a", "urn:b"]));
        let grant = resources_given().and([code_redeemed(1, 0)]).state();
        let family = grant.family(FAMILY).unwrap();
        assert_eq!((family.roles(), family.resources()), (&owned(&["editor"])[..], &owned(&["urn:a", "urn:b"])[..]));
        assert_eq!(grant.binding(authorization(1)), None);
    }

    #[test]
    fn rfc6749_4_1_4_a_code_is_redeemed_for_an_access_token_and_a_refresh_token() {
        let now = seconds(5);
        when_redeem(code_given().at(now), redeem(1)).then([
            code_redeemed(1, 0),
            access(0, 0, "email offline_access openid", now),
            refresh_issued(0, now),
        ]);
    }

    #[test]
    fn without_a_refresh_token_lifetime_there_is_no_refresh_token() {
        let command = RedeemCode { issue: Issue { refresh_token_lifetime: None, ..issue() }, ..redeem(1) };
        when_redeem(code_given(), command).then([code_redeemed(1, 0), access(0, 0, "email offline_access openid", seconds(0))]);
    }

    #[test]
    fn oidc_core_11_without_offline_access_there_is_no_refresh_token() {
        let given = with_code(binding("email"));
        when_redeem(given, redeem(1)).then([code_redeemed(1, 0), access(0, 0, "email", seconds(0))]);
    }

    #[test]
    fn each_authorization_starts_its_own_family() {
        let now = seconds(5);
        let given = family_given().and([code_issued(2, binding("offline_access openid"))]).at(now);
        when_redeem(given, redeem(2)).then([code_redeemed(2, 1), access(1, 1, "offline_access openid", now), refresh_issued(1, now)]);
    }

    #[test]
    fn rfc6749_5_2_an_unknown_code_is_refused() {
        when_redeem(code_given(), redeem(9)).then_refused(GrantRefusal::Unknown);
        when_redeem(Given::given([]), redeem(1)).then_refused(GrantRefusal::Unknown);
    }

    #[test]
    fn rfc6749_4_1_3_another_clients_code_is_refused() {
        let thief = || RedeemCode { client_id: ClientId::from("thief"), ..redeem(1) };
        when_redeem(code_given(), thief()).then_refused(GrantRefusal::NotTheClient);
    }

    #[test]
    fn rfc6749_4_1_3_another_client_can_not_end_a_family_with_a_used_code() {
        let thief = || RedeemCode { client_id: ClientId::from("thief"), ..redeem(1) };
        when_redeem(family_given(), thief()).then_refused(GrantRefusal::NotTheClient);
    }

    #[test]
    fn rfc6749_4_1_2_an_expired_code_is_refused() {
        when_redeem(code_given().at(seconds(60)), redeem(1)).then_refused(GrantRefusal::Expired);
        let last_moment = Timestamp(seconds(60).0 - 1);
        let issued = [code_redeemed(1, 0), access(0, 0, "email offline_access openid", last_moment), refresh_issued(0, last_moment)];
        when_redeem(code_given().at(last_moment), redeem(1)).then(issued);
    }

    #[test]
    fn a_code_of_a_revoked_grant_is_refused() {
        when_redeem(code_given().and([revoked()]), redeem(1)).then_refused(GrantRefusal::Revoked);
    }

    #[test]
    fn rfc6749_4_1_2_a_replayed_code_ends_the_family_it_started() {
        let events = [code_replayed(1), ended(0, RevocationReason::CodeReplayed)];
        when_redeem(family_given(), redeem(1)).then(events.clone());
        let grant = family_given().and(events).state();
        assert!(!grant.is_access_token_live(TokenNumber(0), seconds(1)));
        assert!(!grant.is_family_live(FAMILY, seconds(1)));
    }

    #[test]
    fn rfc6749_4_1_2_a_replayed_code_ends_no_other_family() {
        when_redeem(two_families_given(), redeem(2)).then([code_replayed(2), ended(1, RevocationReason::CodeReplayed)]);
        let grant = two_families_given().and([code_replayed(2), ended(1, RevocationReason::CodeReplayed)]).state();
        assert!(grant.is_access_token_live(TokenNumber(0), seconds(1)));
        assert!(!grant.is_access_token_live(TokenNumber(1), seconds(1)));
    }

    #[test]
    fn rfc6749_4_1_2_a_code_is_a_replay_after_its_expiry_too() {
        let events = [code_replayed(1), ended(0, RevocationReason::CodeReplayed)];
        when_redeem(family_given().at(seconds(3_600)), redeem(1)).then(events);
    }

    #[test]
    fn a_replay_is_recorded_once() {
        let replayed = [code_replayed(1), ended(0, RevocationReason::CodeReplayed)];
        when_redeem(family_given().and(replayed), redeem(1)).then_nothing();
    }

    #[test]
    fn a_replay_after_the_end_of_the_family_ends_nothing() {
        let over = || family_given().and([ended(0, RevocationReason::RequestedByClient)]);
        when_redeem(over(), redeem(1)).then([code_replayed(1)]);
        when_redeem(over().and([code_replayed(1)]), redeem(1)).then_nothing();
        when_redeem(family_given().and([revoked()]), redeem(1)).then([code_replayed(1)]);
    }

    #[test]
    fn rfc6749_4_1_3_another_redirect_uri_is_refused() {
        for other in ["https://app.example/callback/", "https://evil.example/", ""] {
            let command = RedeemCode { redirect_uri: Some(other.into()), ..redeem(1) };
            when_redeem(code_given(), command).then_refused(GrantRefusal::RedirectUriMismatch);
        }
    }

    #[test]
    fn rfc6749_4_1_3_the_redirect_uri_may_be_repeated() {
        let now = seconds(1);
        let command = RedeemCode { redirect_uri: Some(CALLBACK.into()), ..redeem(1) };
        when_redeem(code_given().at(now), command).then([
            code_redeemed(1, 0),
            access(0, 0, "email offline_access openid", now),
            refresh_issued(0, now),
        ]);
    }

    #[test]
    fn rfc6749_4_1_3_without_pkce_a_given_redirect_uri_is_required() {
        let plain = CodeBinding { code_challenge: None, ..binding("openid") };
        let command = RedeemCode { code_verifier: None, ..redeem(1) };
        when_redeem(with_code(plain), command).then_refused(GrantRefusal::RedirectUriMismatch);
    }

    #[test]
    fn rfc6749_4_1_3_a_redirect_uri_that_was_not_given_is_not_required() {
        let plain = CodeBinding { code_challenge: None, redirect_uri_given: false, ..binding("openid") };
        let command = RedeemCode { code_verifier: None, issue: Issue { refresh_token_lifetime: None, ..issue() }, ..redeem(1) };
        when_redeem(with_code(plain), command).then([code_redeemed(1, 0), access(0, 0, "openid", seconds(0))]);
    }

    #[test]
    fn oauth21_4_1_3_with_pkce_the_redirect_uri_may_be_left_out() {
        let command = RedeemCode { redirect_uri: None, ..redeem(1) };
        let start = seconds(0);
        let issued = [code_redeemed(1, 0), access(0, 0, "email offline_access openid", start), refresh_issued(0, start)];
        when_redeem(code_given(), command).then(issued);
    }

    #[test]
    fn rfc7636_4_6_a_missing_verifier_is_refused() {
        let command = RedeemCode { code_verifier: None, ..redeem(1) };
        when_redeem(code_given(), command).then_refused(GrantRefusal::CodeVerifierMissing);
    }

    #[test]
    fn rfc7636_4_6_a_wrong_verifier_is_refused_and_does_not_spend_the_code() {
        let command = RedeemCode { code_verifier: Some(verifier(&"x".repeat(43))), ..redeem(1) };
        when_redeem(code_given(), command).then_refused(GrantRefusal::CodeVerifierMismatch);
    }

    #[test]
    fn rfc9700_2_1_1_a_verifier_without_a_challenge_is_refused() {
        let plain = CodeBinding { code_challenge: None, ..binding("openid") };
        let command = RedeemCode { redirect_uri: Some(CALLBACK.into()), ..redeem(1) };
        when_redeem(with_code(plain), command).then_refused(GrantRefusal::CodeVerifierUnexpected);
    }

    #[test]
    fn the_family_carries_what_the_code_was_bound_to() {
        let grant = family_given().state();
        let family = grant.family(FAMILY).unwrap();
        assert_eq!(family.scope(), &scope("email offline_access openid"));
        assert_eq!(family.authorization_id(), authorization(1));
        assert_eq!(family.authentication(), &binding("openid").authentication);
        assert_eq!(family.nonce(), Some("n-0S6_WzA2Mj"));
        assert_eq!(family.generation(), Some(Generation(0)));
        assert_eq!(family.refresh_token_expires_at(), Some(Timestamp::default().plus(REFRESH)));
    }
}

mod refreshing {
    use super::*;

    #[test]
    fn rfc9700_4_14_2_a_refresh_rotates_the_token() {
        let now = seconds(100);
        when_refresh(family_given().at(now), refresh(0, 0)).then([rotated(0, 1, now), access(1, 0, "email offline_access openid", now)]);
        assert_eq!(rotated_given().state().family(FAMILY).unwrap().generation(), Some(Generation(1)));
    }

    #[test]
    fn rfc6749_6_another_clients_refresh_token_is_refused() {
        let thief = |generation| Refresh { client_id: ClientId::from("thief"), ..refresh(0, generation) };
        when_refresh(family_given(), thief(0)).then_refused(GrantRefusal::NotTheClient);
        // Nor can a thief end the family by replaying.
        when_refresh(rotated_given().at(seconds(1_000)), thief(0)).then_refused(GrantRefusal::NotTheClient);
    }

    #[test]
    fn rfc6749_5_2_an_unknown_refresh_token_is_refused() {
        when_refresh(family_given(), refresh(1, 0)).then_refused(GrantRefusal::Unknown);
        when_refresh(family_given(), refresh(0, 1)).then_refused(GrantRefusal::Unknown);
        when_refresh(Given::given([]), refresh(0, 0)).then_refused(GrantRefusal::Unknown);
        let without = code_given().and([code_redeemed(1, 0), access(0, 0, "openid", seconds(0))]);
        when_refresh(without, refresh(0, 0)).then_refused(GrantRefusal::Unknown);
    }

    #[test]
    fn an_ended_family_is_not_refreshed() {
        let over = family_given().and([ended(0, RevocationReason::RequestedByClient)]);
        when_refresh(over, refresh(0, 0)).then_refused(GrantRefusal::Ended);
    }

    #[test]
    fn a_revocation_wins_over_a_later_refresh() {
        when_refresh(family_given().and([revoked()]), refresh(0, 0)).then_refused(GrantRefusal::Ended);
        // In the grace window too.
        when_refresh(rotated_given().and([revoked()]), refresh(0, 0)).then_refused(GrantRefusal::Ended);
    }

    #[test]
    fn rfc6749_5_2_an_expired_refresh_token_is_refused() {
        when_refresh(family_given().at(seconds(86_400)), refresh(0, 0)).then_refused(GrantRefusal::Expired);
    }

    #[test]
    fn without_a_lifetime_a_rotation_keeps_the_old_end() {
        let now = seconds(100);
        let command = Refresh { issue: Issue { refresh_token_lifetime: None, ..issue() }, ..refresh(0, 0) };
        when_refresh(family_given().at(now), command)
            .then([rotated(0, 1, Timestamp::default()), access(1, 0, "email offline_access openid", now)]);
    }

    #[test]
    fn rfc6749_6_a_refresh_may_narrow_the_scope_of_the_access_token() {
        let now = seconds(100);
        let command = Refresh { scope: Some(scope("email")), ..refresh(0, 0) };
        let events = [rotated(0, 1, now), access(1, 0, "email", now)];
        when_refresh(family_given().at(now), command).then(events.clone());
        // The next one may have it all again.
        let later = seconds(200);
        when_refresh(family_given().at(now).and(events).at(later), refresh(0, 1))
            .then([rotated(0, 2, later), access(2, 0, "email offline_access openid", later)]);
    }

    #[test]
    fn rfc6749_6_a_refresh_may_not_widen_the_scope() {
        // What was consented later, in another authorization, is not this family's.
        let given = || rotated_given().and([consented(2, "profile")]);
        let wider = |generation| Refresh { scope: Some(scope("email profile")), ..refresh(0, generation) };
        when_refresh(given(), wider(1)).then_refused(GrantRefusal::ScopeExceeded);
        when_refresh(given(), wider(0)).then_refused(GrantRefusal::ScopeExceeded);
    }

    #[test]
    fn rfc8707_2_2_a_refresh_may_narrow_the_resource_servers_and_never_widen_them() {
        let now = seconds(100);
        let given = || resources_given().at(now).and([code_redeemed(1, 0), access(0, 0, "openid", now), refresh_issued(0, now)]);
        let naming = |resources: &[&str]| Refresh { resources: owned(resources), ..refresh(0, 0) };
        for narrowed in [&[][..], &["urn:a"], &["urn:b", "urn:a"]] {
            when_refresh(given(), naming(narrowed)).then([rotated(0, 1, now), access(1, 0, "openid", now)]);
        }
        when_refresh(given(), naming(&["urn:a", "urn:c"])).then_refused(GrantRefusal::ResourceNotGranted);
        // In the grace window too.
        when_refresh(given().and([rotated(0, 1, now)]), naming(&["urn:c"])).then_refused(GrantRefusal::ResourceNotGranted);
        when_refresh(family_given().at(now), naming(&["urn:a"])).then_refused(GrantRefusal::ResourceNotGranted);
    }

    #[test]
    fn what_nobody_in_the_audience_understands_is_withheld_from_the_access_token_only() {
        let now = seconds(100);
        let command = Refresh { issue: Issue { withheld: scope("email notes"), ..issue() }, ..refresh(0, 0) };
        let events = [rotated(0, 1, now), access(1, 0, "offline_access openid", now)];
        when_refresh(family_given().at(now), command).then(events.clone());
        let grant = family_given().at(now).and(events).state();
        assert_eq!(grant.family(FAMILY).unwrap().scope(), &scope("email offline_access openid"));
    }

    #[test]
    fn rfc6749_3_2_an_empty_scope_is_none() {
        let now = seconds(100);
        let command = Refresh { scope: Some(Scope::default()), ..refresh(0, 0) };
        when_refresh(family_given().at(now), command).then([rotated(0, 1, now), access(1, 0, "email offline_access openid", now)]);
    }

    #[test]
    fn a_retry_within_the_grace_window_gets_the_same_successor() {
        let now = seconds(130);
        when_refresh(rotated_given().at(now), refresh(0, 0)).then([access(2, 0, "email offline_access openid", now)]);
    }

    #[test]
    fn four_parallel_refreshes_get_the_same_successor() {
        let now = seconds(101);
        let mut so_far = Vec::new();
        for token in 2..5 {
            let next = access(token, 0, "email offline_access openid", now);
            when_refresh(rotated_given().at(now).and(so_far.clone()), refresh(0, 0)).then([next.clone()]);
            so_far.push(next);
        }
        let grant = rotated_given().at(now).and(so_far).state();
        assert_eq!(grant.family(FAMILY).unwrap().generation(), Some(Generation(1)));
    }

    #[test]
    fn rfc9700_4_14_2_a_replay_after_the_grace_window_ends_the_family() {
        let now = Timestamp(seconds(130).0 + 1);
        let events = [refresh_replayed(0, 0), ended(0, RevocationReason::RefreshTokenReplayed)];
        when_refresh(rotated_given().at(now), refresh(0, 0)).then(events.clone());
        let grant = rotated_given().at(now).and(events).state();
        assert!(!grant.is_access_token_live(TokenNumber(1), now));
    }

    #[test]
    fn rfc9700_4_14_2_a_replay_ends_no_other_family() {
        let now = seconds(1);
        let replayed = [rotated(1, 1, now), refresh_replayed(1, 0), ended(1, RevocationReason::RefreshTokenReplayed)];
        let given = two_families_given().at(now).and(replayed);
        when_refresh(given, refresh(0, 0)).then([rotated(0, 1, now), access(2, 0, "email offline_access openid", now)]);
    }

    #[test]
    fn without_grace_the_predecessor_is_a_replay_at_once() {
        let command = Refresh { grace: Seconds(0), ..refresh(0, 0) };
        when_refresh(rotated_given(), command).then([refresh_replayed(0, 0), ended(0, RevocationReason::RefreshTokenReplayed)]);
    }

    #[test]
    fn once_the_successor_was_used_the_grace_is_over() {
        let now = seconds(101);
        let given = rotated_given().at(now).and([rotated(0, 2, now), access(2, 0, "email offline_access openid", now)]);
        when_refresh(given, refresh(0, 0)).then([refresh_replayed(0, 0), ended(0, RevocationReason::RefreshTokenReplayed)]);
    }

    #[test]
    fn a_replay_is_a_replay_whatever_scope_it_asks_for() {
        let command = Refresh { scope: Some(scope("admin")), grace: Seconds(0), ..refresh(0, 0) };
        when_refresh(rotated_given(), command).then([refresh_replayed(0, 0), ended(0, RevocationReason::RefreshTokenReplayed)]);
    }
}

mod revocation {
    use super::*;

    const TOKEN: TokenRef = TokenRef::Access(TokenNumber(0));

    #[test]
    fn rfc7009_2_1_an_access_token_ends_alone() {
        let events = [GrantEvent::AccessTokenRevoked { token: TokenNumber(0), reason: RevocationReason::RequestedByClient }];
        when_revoke_token(family_given(), TOKEN, "app").then(events.clone());
        let grant = family_given().and(events).state();
        assert!(!grant.is_access_token_live(TokenNumber(0), seconds(1)));
        assert!(grant.is_family_live(FAMILY, seconds(1)));
    }

    #[test]
    fn rfc7009_2_1_a_refresh_token_ends_with_its_family() {
        let events = [ended(0, RevocationReason::RequestedByClient)];
        when_revoke_token(family_given(), refresh_ref(0, 0), "app").then(events.clone());
        assert!(!family_given().and(events).state().is_access_token_live(TokenNumber(0), seconds(1)));
    }

    #[test]
    fn rfc7009_2_1_a_rotated_refresh_token_ends_its_family_too() {
        when_revoke_token(rotated_given(), refresh_ref(0, 0), "app").then([ended(0, RevocationReason::RequestedByClient)]);
    }

    #[test]
    fn rfc7009_2_1_another_clients_token_is_refused() {
        for token in [TOKEN, refresh_ref(0, 0)] {
            when_revoke_token(family_given(), token, "other").then_refused(GrantRefusal::IssuedToAnotherClient);
        }
    }

    #[test]
    fn rfc7009_2_2_an_invalid_token_is_no_error() {
        for token in [TokenRef::Access(TokenNumber(5)), refresh_ref(0, 1), refresh_ref(3, 0)] {
            when_revoke_token(family_given(), token, "app").then_nothing();
            when_revoke_token(Given::given([]), token, "app").then_nothing();
        }
    }

    #[test]
    fn rfc7009_2_2_revoking_twice_records_nothing() {
        let token_over = GrantEvent::AccessTokenRevoked { token: TokenNumber(0), reason: RevocationReason::RequestedByClient };
        when_revoke_token(family_given().and([token_over]), TOKEN, "app").then_nothing();
        for over in [ended(0, RevocationReason::RequestedByClient), revoked()] {
            when_revoke_token(family_given().and([over.clone()]), TOKEN, "app").then_nothing();
            when_revoke_token(family_given().and([over]), refresh_ref(0, 0), "app").then_nothing();
        }
    }

    #[test]
    fn rfc7009_2_2_an_expired_token_is_no_error() {
        when_revoke_token(family_given().at(seconds(300)), TOKEN, "app").then_nothing();
        when_revoke_token(family_given().at(seconds(86_400)), refresh_ref(0, 0), "app").then_nothing();
    }

    #[test]
    fn a_grant_is_revoked_once() {
        when_revoke(family_given()).then([revoked()]);
        when_revoke(family_given().and([revoked()])).then_nothing();
        when_revoke(Given::given([])).then_nothing();
    }

    #[test]
    fn a_revoked_grant_has_nothing_live() {
        let grant = two_families_given().and([revoked()]).state();
        assert!(!grant.is_open());
        for number in 0..2 {
            assert!(!grant.is_access_token_live(TokenNumber(number), seconds(1)));
            assert!(!grant.is_family_live(FamilyNumber(number), seconds(1)));
            assert_eq!(grant.family(FamilyNumber(number)).unwrap().ended(), Some(RevocationReason::Disconnected));
        }
    }
}

mod memory {
    use super::*;

    #[test]
    fn an_access_token_expires() {
        let grant = family_given().state();
        assert!(grant.is_access_token_live(TokenNumber(0), Timestamp(seconds(300).0 - 1)));
        assert!(!grant.is_access_token_live(TokenNumber(0), seconds(300)));
    }

    #[test]
    fn a_family_is_forgotten_a_day_after_its_last_token() {
        let next = |at: i64| family_given().at(seconds(at)).and([code_issued(2, binding("offline_access openid"))]).state();
        assert!(next(86_400 + 86_399).family(FAMILY).is_some());
        assert!(next(86_400 + 86_400).family(FAMILY).is_none());
    }

    #[test]
    fn numbers_go_on_after_everything_was_forgotten() {
        let now = seconds(1_000_000);
        let code = GrantEvent::CodeIssued {
            authorization_id: authorization(2),
            binding: binding("offline_access openid"),
            expires_at: now.plus(CODE),
        };
        when_redeem(family_given().at(now).and([code]), redeem(2)).then([
            code_redeemed(2, 1),
            access(1, 1, "offline_access openid", now),
            refresh_issued(1, now),
        ]);
    }

    #[test]
    fn the_last_number_is_never_given_out() {
        when_refresh(family_given().and([access(u32::MAX - 1, 0, "openid", seconds(0))]), refresh(0, 0))
            .then_refused(GrantRefusal::Exhausted);
        when_refresh(family_given().and([rotated(0, u32::MAX, seconds(0))]), refresh(0, u32::MAX)).then_refused(GrantRefusal::Exhausted);
        let last_family = code_given().and([code_redeemed(9, u32::MAX - 1)]);
        when_redeem(last_family, redeem(1)).then_refused(GrantRefusal::Exhausted);
    }

    #[test]
    fn what_was_issued_is_told_from_a_replay() {
        let events = [rotated(0, 1, seconds(0)), access(1, 0, "openid", seconds(0))];
        let found = issued(&events).unwrap();
        assert_eq!((found.token, found.family, found.scope), (TokenNumber(1), FAMILY, &scope("openid")));
        assert_eq!(issued(&[refresh_replayed(0, 0)]), None);
    }
}

mod narrowing {
    use super::*;

    const REASON: RevocationReason = RevocationReason::RolesChanged;

    fn when_lost(given: Given, lost: &str) -> Outcome<GrantDecider> {
        given.when(GrantCommand::Narrow(Narrow { lost: scope(lost), reason: REASON }))
    }

    fn narrowed(text: &str) -> GrantEvent {
        GrantEvent::Narrowed { scope: scope(text), reason: REASON }
    }

    fn token_revoked(token: u32) -> GrantEvent {
        GrantEvent::AccessTokenRevoked { token: TokenNumber(token), reason: REASON }
    }

    #[test]
    fn what_is_lost_is_taken_from_consent_and_from_tokens_that_carry_it() {
        when_lost(two_families_given(), "email").then([token_revoked(0), narrowed("offline_access openid")]);
        let grant = two_families_given().and([token_revoked(0), narrowed("offline_access openid")]).state();
        assert_eq!(grant.consented(), &scope("offline_access openid"));
        assert!(grant.is_access_token_live(TokenNumber(1), seconds(1)));
    }

    #[test]
    fn later_refreshes_carry_only_what_remains() {
        let given = || family_given().and([token_revoked(0), narrowed("offline_access openid")]).at(seconds(1));
        when_refresh(given(), refresh(0, 0)).then([rotated(0, 1, seconds(1)), access(1, 0, "offline_access openid", seconds(1))]);
        when_refresh(given(), Refresh { scope: Some(scope("email")), ..refresh(0, 0) }).then_refused(GrantRefusal::ScopeExceeded);
    }

    #[test]
    fn a_code_that_is_on_its_way_is_narrowed_too() {
        let start = Timestamp::default();
        let given = code_given().and([narrowed("offline_access openid")]);
        when_redeem(given, redeem(1)).then([code_redeemed(1, 0), access(0, 0, "offline_access openid", start), refresh_issued(0, start)]);
        let nothing_left = with_code(binding("email")).and([narrowed("openid")]);
        when_redeem(nothing_left, redeem(1)).then_refused(GrantRefusal::Expired);
    }

    #[test]
    fn a_family_of_which_nothing_remains_ends() {
        let email_alone = with_code(binding("email")).and([code_redeemed(1, 0), access(0, 0, "email", Timestamp::default())]);
        when_lost(email_alone, "email").then([ended(0, REASON), token_revoked(0), narrowed("offline_access openid")]);
    }

    #[test]
    fn a_grant_of_which_nothing_remains_is_revoked() {
        when_lost(family_given(), "email offline_access openid profile").then([GrantEvent::Revoked { reason: REASON }]);
    }

    #[test]
    fn losing_what_one_never_had_changes_nothing() {
        when_lost(family_given(), "profile").then_nothing();
        when_lost(family_given().and([revoked()]), "email").then_nothing();
        when_lost(Given::given([]), "email").then_nothing();
    }

    #[test]
    fn what_was_lost_comes_back_by_consent() {
        let given = family_given().and([narrowed("offline_access openid"), consented(2, "email")]);
        assert_eq!(given.state().consented(), &scope("email offline_access openid"));
    }
}

mod sessions {
    use super::*;

    const REASON: RevocationReason = RevocationReason::SessionsEnded;

    fn when_ended(given: Given) -> Outcome<GrantDecider> {
        given.when(GrantCommand::EndSessions(EndSessions { reason: REASON }))
    }

    fn sessions_ended() -> GrantEvent {
        GrantEvent::SessionsEnded { reason: REASON }
    }

    #[test]
    fn every_family_ends_and_the_consent_stays() {
        when_ended(two_families_given()).then([sessions_ended()]);
        let after = || two_families_given().and([sessions_ended()]);
        let grant = after().state();
        assert!(grant.is_open() && !grant.is_access_token_live(TokenNumber(0), seconds(1)));
        assert_eq!(grant.consented(), &scope("email offline_access openid"));
        for family in [0, 1] {
            when_refresh(after(), refresh(family, 0)).then_refused(GrantRefusal::Ended);
        }
        when_consent(after(), consent(3, "openid", seconds(60))).then([consented(3, "openid"), code_issued(3, binding("openid"))]);
    }

    #[test]
    fn a_code_that_is_on_its_way_starts_no_session() {
        when_ended(code_given()).then([sessions_ended()]);
        when_redeem(code_given().and([sessions_ended()]), redeem(1)).then_refused(GrantRefusal::Expired);
    }

    #[test]
    fn where_nothing_is_connected_nothing_happens() {
        when_ended(Given::given([])).then_nothing();
        when_ended(family_given().and([sessions_ended()])).then_nothing();
        when_ended(family_given().and([revoked()])).then_nothing();
        when_ended(family_given().at(seconds(200_000))).then_nothing();
    }
}
