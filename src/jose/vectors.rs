//! The RFCs' own examples.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::RSA_PSS_SHA256,
};
use serde_json::{Value, json};

use super::*;

const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn verifying(jwk: &Value) -> VerifyingKey {
    VerifyingKey::from_jwk(&Jwk::from_value(jwk).expect("a public JWK")).expect("a good key")
}

fn rfc8037_a_2() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn rfc7515_a_2() -> Value {
    json!({"kty": "RSA", "e": "AQAB", "n": concat!(
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs",
        "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV",
        "MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    )})
}

fn rfc7515_a_3() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

fn claims() -> Value {
    json!({"iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true})
}

#[test]
fn rfc8037_a_1_a_private_key_is_no_client_key() {
    let mut jwk = rfc8037_a_2();
    jwk["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    assert_eq!(Jwk::from_value(&jwk), Err(JwkError::Private));
}

#[test]
fn rfc8037_a_2_the_public_key_follows_from_the_seed() {
    let seed = base64url::decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").expect("base64url");
    let key = SigningKey::from_ed25519_seed(&seed.try_into().expect("32 octets"));
    assert_eq!(key.public_jwk().to_value(), rfc8037_a_2());
    // RFC 8037 A.3: the thumbprint.
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    // RFC 8037 A.4: the signature; Ed25519 is deterministic.
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    assert_eq!(base64url::encode(key.sign(signed)), signature);
}

#[test]
fn rfc8037_a_5_the_signature_is_verified() {
    let jws = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
               hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let parsed = UnverifiedJwt::parse(jws).expect("a compact JWS");
    // The signature is good; the example's payload is a sentence and no claims.
    let refusal = parsed.verify(&verifying(&rfc8037_a_2()), &[VerificationAlgorithm::EdDsa]);
    assert_eq!(refusal, Err(JwtError::MalformedClaims));
}

#[test]
fn rfc7638_3_1_the_thumbprint_of_the_example() {
    let jwk = json!({"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n": concat!(
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMst",
        "n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajr",
        "n1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    )});
    let thumbprint = Jwk::from_value(&jwk).expect("a public JWK").thumbprint();
    assert_eq!(thumbprint.as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
}

#[test]
fn rfc7515_a_2_rs256_is_verified() {
    let jws = format!(
        "eyJhbGciOiJSUzI1NiJ9.{CLAIMS}.{}{}{}",
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZ",
        "cAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-e",
        "OkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
    let parsed = UnverifiedJwt::parse(&jws).expect("a compact JWS");
    let verified = parsed.verify(&verifying(&rfc7515_a_2()), &VerificationAlgorithm::ALL);
    assert_eq!(verified.map(Value::Object), Ok(claims()));
    // The key of one algorithm is not used for another of its type, if its JWK says so (RFC 7517 §4.4).
    let mut pss_only = rfc7515_a_2();
    pss_only["alg"] = json!("PS256");
    assert_eq!(parsed.verify(&verifying(&pss_only), &VerificationAlgorithm::ALL), Err(JwtError::AlgorithmNotAllowed));
}

#[test]
fn rfc7515_a_3_es256_is_verified() {
    let jws =
        format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
    let parsed = UnverifiedJwt::parse(&jws).expect("a compact JWS");
    let verified = parsed.verify(&verifying(&rfc7515_a_3()), &VerificationAlgorithm::ALL);
    assert_eq!(verified.map(Value::Object), Ok(claims()));
    let confused = parsed.verify(&verifying(&rfc7515_a_2()), &VerificationAlgorithm::ALL);
    assert_eq!(confused, Err(JwtError::AlgorithmNotAllowed));
}

#[test]
fn rfc7518_3_5_ps256_is_verified() {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), b"message", &mut signature).expect("a signature");
    let key = verifying(&SigningKey::from_rsa(pair).public_jwk().to_value());
    assert_eq!(key.verify(VerificationAlgorithm::Ps256, b"message", &signature), Ok(()));
    assert_eq!(key.verify(VerificationAlgorithm::Rs256, b"message", &signature), Err(BadSignature));
    assert_eq!(key.verify(VerificationAlgorithm::Ps256, b"massage", &signature), Err(BadSignature));
}
