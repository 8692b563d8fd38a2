//! The texts that clients hold: codes, tokens, secrets.
//!
//! A code or token is not stored: it names what it stands for and carries a MAC over it. A secret is random and only
//! its hash is stored. Both have a prefix that says what they are and end in a checksum, so that secret scanners find
//! leaked ones without asking anybody.
//!
//! `prefix` `base64url(payload ‖ MAC)` `checksum`, where the checksum is the CRC-32 of all before it, six characters.

use std::{fmt, str::FromStr};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use crate::domain::{
    ApiKeyId, AuthorizationId, GrantId, InitialAccessTokenId, MachineTokenId,
    grant::{FamilyNumber, Generation, TokenNumber},
};

const CODE: Kind = Kind { prefix: "glc_", label: b"grantlog authorization code" };
const REFRESH_TOKEN: Kind = Kind { prefix: "glr_", label: b"grantlog refresh token" };
const ACCESS_TOKEN: Kind = Kind { prefix: "gla_", label: b"grantlog access token" };
const RESPONSE_TOKEN: Kind = Kind { prefix: "", label: b"grantlog authorization response" };
const CLIENT_SECRET: &str = "gls_";
const API_KEY: &str = "glk_";
const INITIAL_ACCESS_TOKEN: &str = "gli_";
const REGISTRATION_ACCESS_TOKEN: &str = "glm_";

/// 128 bits: nobody guesses one, and the texts stay short.
const MAC_LENGTH: usize = 16;
const CHECKSUM_LENGTH: usize = 6;

/// The kind byte of a token that belongs to a grant.
const OF_A_GRANT: u8 = 1;
/// The kind byte of a token that a machine client has for itself.
const OF_A_MACHINE: u8 = 2;

/// What a text is: its prefix, and the label that keeps the MAC of one kind from being taken for that of another.
struct Kind {
    prefix: &'static str,
    label: &'static [u8],
}

/// A usable code, token or secret: shown to its owner once, never written down. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text, to be given to its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What a code stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeRef {
    /// The grant that it was issued under.
    pub grant_id: GrantId,
    /// The request that it answers.
    pub authorization_id: AuthorizationId,
}

/// What a refresh token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshTokenRef {
    /// Its grant.
    pub grant_id: GrantId,
    /// Its family.
    pub family: FamilyNumber,
    /// Which of the family.
    pub generation: Generation,
}

/// What an access token stands for. As text it is the `jti` of a JWT (RFC 9068 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessTokenRef {
    /// A token under a grant.
    Grant {
        /// Its grant.
        grant_id: GrantId,
        /// Its number.
        token: TokenNumber,
    },
    /// A token that a machine client has for itself.
    Machine(MachineTokenId),
}

/// A text that names no access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this names no access token")]
pub struct InvalidAccessTokenRef;

impl AccessTokenRef {
    fn to_payload(self) -> Vec<u8> {
        match self {
            Self::Grant { grant_id, token } => [&[OF_A_GRANT], &grant_id.0.as_bytes()[..], &token.0.to_be_bytes()].concat(),
            Self::Machine(id) => [&[OF_A_MACHINE], &id.0.as_bytes()[..]].concat(),
        }
    }

    fn from_payload(payload: &[u8]) -> Option<Self> {
        let (kind, mut rest) = payload.split_first()?;
        let found = match *kind {
            OF_A_GRANT => Self::Grant { grant_id: GrantId(take_uuid(&mut rest)?), token: TokenNumber(take_u32(&mut rest)?) },
            OF_A_MACHINE => Self::Machine(MachineTokenId(take_uuid(&mut rest)?)),
            _ => return None,
        };
        rest.is_empty().then_some(found)
    }
}

impl fmt::Display for AccessTokenRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL.encode(self.to_payload()))
    }
}

impl FromStr for AccessTokenRef {
    type Err = InvalidAccessTokenRef;
    fn from_str(text: &str) -> Result<Self, InvalidAccessTokenRef> {
        BASE64URL.decode(text).ok().and_then(|payload| Self::from_payload(&payload)).ok_or(InvalidAccessTokenRef)
    }
}

/// Makes and reads codes and tokens.
#[derive(Clone)]
pub struct TokenCodec {
    key: hmac::Key,
}

impl fmt::Debug for TokenCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenCodec(…)")
    }
}

impl TokenCodec {
    /// A codec under this key. Another key makes all codes and tokens of this one unknown.
    pub fn new(mut key: [u8; 32]) -> Self {
        let codec = Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key) };
        key.zeroize();
        codec
    }

    /// The code of this request under this grant: always the same.
    pub fn code(&self, code: CodeRef) -> Secret {
        self.seal(&CODE, &[&code.grant_id.0.as_bytes()[..], &code.authorization_id.0.as_bytes()[..]].concat())
    }

    /// Reads a code; None when it is not one of ours.
    pub fn parse_code(&self, text: &str) -> Option<CodeRef> {
        let payload = self.open(&CODE, text)?;
        let mut rest = &payload[..];
        let (grant_id, authorization_id) = (GrantId(take_uuid(&mut rest)?), AuthorizationId(take_uuid(&mut rest)?));
        rest.is_empty().then_some(CodeRef { grant_id, authorization_id })
    }

    /// The refresh token of this generation: always the same, so that a retry gets the very successor it missed.
    pub fn refresh_token(&self, token: RefreshTokenRef) -> Secret {
        let (family, generation) = (token.family.0.to_be_bytes(), token.generation.0.to_be_bytes());
        self.seal(&REFRESH_TOKEN, &[&token.grant_id.0.as_bytes()[..], &family, &generation].concat())
    }

    /// Reads a refresh token; None when it is not one of ours.
    pub fn parse_refresh_token(&self, text: &str) -> Option<RefreshTokenRef> {
        let payload = self.open(&REFRESH_TOKEN, text)?;
        let mut rest = &payload[..];
        let grant_id = GrantId(take_uuid(&mut rest)?);
        let (family, generation) = (FamilyNumber(take_u32(&mut rest)?), Generation(take_u32(&mut rest)?));
        rest.is_empty().then_some(RefreshTokenRef { grant_id, family, generation })
    }

    /// An opaque access token.
    pub fn access_token(&self, token: AccessTokenRef) -> Secret {
        self.seal(&ACCESS_TOKEN, &token.to_payload())
    }

    /// Reads an opaque access token; None when it is not one of ours.
    pub fn parse_access_token(&self, text: &str) -> Option<AccessTokenRef> {
        AccessTokenRef::from_payload(&self.open(&ACCESS_TOKEN, text)?)
    }

    /// What shows, on the last hop of the hosted way, that the application sent the browser there: the request's id is
    /// no secret, this is.
    pub fn response_token(&self, authorization_id: AuthorizationId) -> String {
        BASE64URL.encode(self.mac(&RESPONSE_TOKEN, authorization_id.0.as_bytes()))
    }

    /// Whether `text` is the response token of this request.
    pub fn check_response_token(&self, authorization_id: AuthorizationId, text: &str) -> bool {
        verify_slices_are_equal(self.response_token(authorization_id).as_bytes(), text.as_bytes()).is_ok()
    }

    fn seal(&self, kind: &Kind, payload: &[u8]) -> Secret {
        with_checksum(kind.prefix, &Zeroizing::new([payload, &self.mac(kind, payload)].concat()))
    }

    fn open(&self, kind: &Kind, text: &str) -> Option<Vec<u8>> {
        let mut bytes = BASE64URL.decode(without_checksum(kind.prefix, text)?).ok()?;
        let payload_length = bytes.len().checked_sub(MAC_LENGTH)?;
        let (payload, mac) = bytes.split_at(payload_length);
        verify_slices_are_equal(&self.mac(kind, payload), mac).ok()?;
        bytes.truncate(payload_length);
        Some(bytes)
    }

    /// The label ends in a zero byte, which none contains: no label and payload look like another pair.
    fn mac(&self, kind: &Kind, payload: &[u8]) -> [u8; MAC_LENGTH] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(kind.label);
        context.update(&[0]);
        context.update(payload);
        let mut mac = [0; MAC_LENGTH];
        mac.copy_from_slice(&context.sign().as_ref()[..MAC_LENGTH]);
        mac
    }
}

/// A client secret made of these random bytes.
pub fn client_secret(mut random: [u8; 32]) -> Secret {
    let secret = with_checksum(CLIENT_SECRET, &random);
    random.zeroize();
    secret
}

/// An API key: its id, so that it is found, and these random bytes.
pub fn api_key(id: ApiKeyId, random: [u8; 32]) -> Secret {
    with_id(API_KEY, id.0, random)
}

/// Reads an API key: its id, and the whole text, whose hash is the proof. None when it has not the form of one.
pub fn parse_api_key(text: &str) -> Option<(ApiKeyId, &str)> {
    id_of(API_KEY, text).map(|id| (ApiKeyId(id), text))
}

/// An initial access token (RFC 7591 §1.2): its id, so that it is found, and these random bytes.
pub fn initial_access_token(id: InitialAccessTokenId, random: [u8; 32]) -> Secret {
    with_id(INITIAL_ACCESS_TOKEN, id.0, random)
}

/// The id of an initial access token, whose whole text is hashed for the proof. None when it has not the form of one.
pub fn parse_initial_access_token(text: &str) -> Option<InitialAccessTokenId> {
    id_of(INITIAL_ACCESS_TOKEN, text).map(InitialAccessTokenId)
}

/// A registration access token (RFC 7592 §1.2) made of these random bytes.
pub fn registration_access_token(mut random: [u8; 32]) -> Secret {
    let token = with_checksum(REGISTRATION_ACCESS_TOKEN, &random);
    random.zeroize();
    token
}

fn with_id(prefix: &str, id: Uuid, mut random: [u8; 32]) -> Secret {
    let bytes = Zeroizing::new([&id.as_bytes()[..], &random].concat());
    random.zeroize();
    with_checksum(prefix, &bytes)
}

fn id_of(prefix: &str, text: &str) -> Option<Uuid> {
    let bytes = Zeroizing::new(BASE64URL.decode(without_checksum(prefix, text)?).ok()?);
    let (id, random) = bytes.split_first_chunk::<16>()?;
    (random.len() == 32).then(|| Uuid::from_bytes(*id))
}

fn with_checksum(prefix: &str, bytes: &[u8]) -> Secret {
    let mut text = String::with_capacity(prefix.len() + bytes.len().div_ceil(3) * 4 + CHECKSUM_LENGTH);
    text.push_str(prefix);
    BASE64URL.encode_string(bytes, &mut text);
    let checksum = checksum(&text);
    text.push_str(&checksum);
    Secret(text)
}

fn without_checksum<'a>(prefix: &str, text: &'a str) -> Option<&'a str> {
    let (body, found) = text.split_at_checked(text.len().checked_sub(CHECKSUM_LENGTH)?)?;
    // No secret: anybody can compute it from the text.
    if checksum(body) == found { body.strip_prefix(prefix) } else { None }
}

fn checksum(text: &str) -> String {
    BASE64URL.encode(crc32fast::hash(text.as_bytes()).to_be_bytes())
}

fn take_uuid(bytes: &mut &[u8]) -> Option<Uuid> {
    let (head, rest) = bytes.split_first_chunk::<16>()?;
    *bytes = rest;
    Some(Uuid::from_bytes(*head))
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_be_bytes(*head))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GRANT: GrantId = GrantId(Uuid::from_u128(0x0193_2d5e_0000_7000_8000_0000_0000_0001));
    const REQUEST: AuthorizationId = AuthorizationId(Uuid::from_u128(2));
    const CODE_REF: CodeRef = CodeRef { grant_id: GRANT, authorization_id: REQUEST };
    const REFRESH_REF: RefreshTokenRef = RefreshTokenRef { grant_id: GRANT, family: FamilyNumber(3), generation: Generation(4) };
    const ACCESS_REF: AccessTokenRef = AccessTokenRef::Grant { grant_id: GRANT, token: TokenNumber(5) };
    const MACHINE_REF: AccessTokenRef = AccessTokenRef::Machine(MachineTokenId(Uuid::from_u128(6)));
    const KEY_ID: ApiKeyId = ApiKeyId(Uuid::from_u128(7));

    fn codec() -> TokenCodec {
        TokenCodec::new([7; 32])
    }

    fn all() -> [Secret; 8] {
        let codec = codec();
        [
            codec.code(CODE_REF),
            codec.refresh_token(REFRESH_REF),
            codec.access_token(ACCESS_REF),
            codec.access_token(MACHINE_REF),
            client_secret([1; 32]),
            api_key(KEY_ID, [2; 32]),
            initial_access_token(InitialAccessTokenId(KEY_ID.0), [3; 32]),
            registration_access_token([4; 32]),
        ]
    }

    /// How many parsers take a text.
    fn readings(codec: &TokenCodec, text: &str) -> usize {
        [
            codec.parse_code(text).is_some(),
            codec.parse_refresh_token(text).is_some(),
            codec.parse_access_token(text).is_some(),
            without_checksum(CLIENT_SECRET, text).is_some(),
            parse_api_key(text).is_some(),
            parse_initial_access_token(text).is_some(),
            without_checksum(REGISTRATION_ACCESS_TOKEN, text).is_some(),
        ]
        .into_iter()
        .filter(|is_read| *is_read)
        .count()
    }

    #[test]
    fn what_is_made_reads_back() {
        assert_eq!(codec().parse_code(codec().code(CODE_REF).expose()), Some(CODE_REF));
        assert_eq!(codec().parse_refresh_token(codec().refresh_token(REFRESH_REF).expose()), Some(REFRESH_REF));
        for token in [ACCESS_REF, MACHINE_REF] {
            assert_eq!(codec().parse_access_token(codec().access_token(token).expose()), Some(token));
            assert_eq!(token.to_string().parse(), Ok(token));
        }
        let key = api_key(KEY_ID, [2; 32]);
        assert_eq!(parse_api_key(key.expose()), Some((KEY_ID, key.expose())));
        assert!(without_checksum(CLIENT_SECRET, client_secret([1; 32]).expose()).is_some());
    }

    #[test]
    fn every_text_is_read_as_one_kind_only() {
        for text in all() {
            assert_eq!(readings(&codec(), text.expose()), 1, "{}", text.expose());
        }
    }

    #[test]
    fn the_mac_of_one_kind_is_not_that_of_another() {
        let payload = [0; 32];
        assert_ne!(codec().mac(&CODE, &payload), codec().mac(&REFRESH_TOKEN, &payload));
    }

    #[test]
    fn another_key_reads_nothing() {
        let other = TokenCodec::new([8; 32]);
        for text in &all()[..4] {
            assert_eq!(readings(&other, text.expose()), 0);
        }
        assert!(!other.check_response_token(REQUEST, &codec().response_token(REQUEST)));
    }

    #[test]
    fn a_changed_payload_with_a_right_checksum_is_refused() {
        let forged = [&GRANT.0.as_bytes()[..], &[0, 0, 0, 3, 0, 0, 0, 5], &[0; MAC_LENGTH]].concat();
        assert_eq!(codec().parse_refresh_token(with_checksum("glr_", &forged).expose()), None);
        for length in 0..=MAC_LENGTH {
            assert_eq!(codec().parse_refresh_token(with_checksum("glr_", &vec![0; length]).expose()), None);
        }
    }

    #[test]
    fn a_response_token_is_for_one_request() {
        let token = codec().response_token(REQUEST);
        assert!(codec().check_response_token(REQUEST, &token));
        assert!(!codec().check_response_token(AuthorizationId(Uuid::from_u128(9)), &token));
        assert!(!codec().check_response_token(REQUEST, ""));
    }

    #[test]
    fn tokens_never_change_their_form() {
        assert_eq!(codec().code(CODE_REF).expose(), "glc_AZMtXgAAcACAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAALnb9fo00xNJ7HoUXDPmXVisUaeMw");
        assert_eq!(codec().refresh_token(REFRESH_REF).expose(), "glr_AZMtXgAAcACAAAAAAAAAAQAAAAMAAAAE-unN3G1arZyNDPwlURmCAQxd-L3w");
        assert_eq!(codec().access_token(ACCESS_REF).expose(), "gla_AQGTLV4AAHAAgAAAAAAAAAEAAAAFiVJkA3NKnAs7sPIktbzoWwMhnzUQ");
        assert_eq!(ACCESS_REF.to_string(), "AQGTLV4AAHAAgAAAAAAAAAEAAAAF");
    }

    #[test]
    fn debug_tells_no_secret() {
        assert_eq!(format!("{:?} {:?}", client_secret([1; 32]), codec()), "Secret(…) TokenCodec(…)");
    }

    #[test]
    fn rfc9068_2_2_a_jti_with_something_left_over_is_refused() {
        for text in ["", "AQ", "é", &format!("{ACCESS_REF}AAAA"), &BASE64URL.encode([9; 21])] {
            assert_eq!(text.parse::<AccessTokenRef>(), Err(InvalidAccessTokenRef));
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,80}", prefix in "(gl[crask]_)?") {
            let text = format!("{prefix}{text}");
            prop_assert_eq!(readings(&codec(), &text), 0);
            let checked = with_checksum(&prefix, text.as_bytes());
            prop_assert!(readings(&codec(), checked.expose()) <= 1);
            let _ = text.parse::<AccessTokenRef>();
        }

        #[test]
        fn a_single_changed_character_is_refused(which in 0usize..6, at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_-]") {
            let text = all()[which].expose().to_owned();
            let mut changed = text.clone();
            let at = at.index(text.len());
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(readings(&codec(), &changed), usize::from(changed == text));
        }
    }
}
