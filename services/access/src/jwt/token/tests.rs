//! The vectors of the RFCs, and what they warn of.

use aws_lc_rs::hmac;
use jsonwebtoken::jwk::Jwk;
use serde_json::json;

use super::*;
use crate::jwt::JwtKey;

/// RFC 7515, A.1 to A.3: the payload that all of them sign.
const PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const HS256: (&str, &str) =
    ("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
const RS256: (&str, &str) = (
    "eyJhbGciOiJSUzI1NiJ9",
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
);
const ES256: (&str, &str) = (
    "eyJhbGciOiJFUzI1NiJ9",
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
);
const HS256_KEY: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const RSA_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

fn secret() -> Key {
    Key::new(&JwtKey::SecretBase64(HS256_KEY.parse().unwrap())).unwrap()
}

fn published(jwk: Value) -> Option<Key> {
    Key::published(&serde_json::from_value::<Jwk>(jwk).unwrap())
}

fn rsa() -> Value {
    json!({ "kty": "RSA", "n": RSA_MODULUS, "e": "AQAB" })
}

fn p256() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

fn ed25519() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

fn with(mut jwk: Value, name: &str, value: &str) -> Value {
    jwk[name] = value.into();
    jwk
}

fn text((header, signature): (&str, &str)) -> String {
    format!("{header}.{PAYLOAD}.{signature}")
}

/// A token with this header, signed with HMAC-SHA256 under this key.
fn forged(header: &Value, key: &[u8]) -> String {
    let message = format!("{}.{PAYLOAD}", BASE64.encode(header.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
    format!("{message}.{}", BASE64.encode(tag))
}

fn refused(text: &str, keys: &[Key]) -> Option<Refused> {
    Token::read(text).and_then(|token| token.verified(keys)).err()
}

#[test]
fn the_tokens_of_rfc_7515_are_good_and_changed_ones_are_not() {
    let rows = [
        (HS256, secret(), "HS256"),
        (RS256, published(rsa()).unwrap(), "RS256"),
        (ES256, published(p256()).unwrap(), "ES256"),
    ];
    for (parts, key, row) in rows {
        let keys = [key];
        let text = text(parts);
        let token = Token::read(&text).unwrap();
        assert_eq!(token.verified(&keys).unwrap().text("iss").as_deref(), Some("joe"), "{row}");
        let changed =
            text.replace("aXNzIjoiam9l", "aXNzIjoiam9m").replacen("eyJpc3MiOiJqb2Ui", "eyJpc3MiOiJqb2Yi", 1);
        assert_eq!(refused(&changed, &keys), Some(Refused::Signature), "{row}: another claim");
    }
}

#[test]
fn the_signature_of_rfc_8037_is_good() {
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let key = published(ed25519()).unwrap();
    assert!(key.has_signed(SignatureAlgorithm::EdDSA, message, signature));
    assert!(!key.has_signed(SignatureAlgorithm::EdDSA, &message.replace("RXh", "RXg"), signature));
}

#[test]
fn a_token_does_not_choose_how_it_is_checked() {
    let pem = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n-----END PUBLIC KEY-----\n";
    let public = Key::new(&JwtKey::Pem(pem.to_owned())).unwrap();
    let keys = [public, published(rsa()).unwrap()];
    assert_eq!(refused(&text(ES256), &keys), None, "the key itself is good");
    let none = |alg: &str| format!("{}.{PAYLOAD}.", BASE64.encode(json!({ "alg": alg }).to_string()));
    let hs = json!({ "alg": "HS256" });
    let rows = [
        (none("none"), Refused::Algorithm, "no signature"),
        (none("None"), Refused::Algorithm, "no signature, in capitals"),
        (none(""), Refused::Algorithm, "no algorithm"),
        (none("ES256"), Refused::Signature, "an empty signature"),
        (forged(&hs, pem.as_bytes()), Refused::UnknownKey, "the public key taken for a secret"),
        (forged(&hs, pem.trim().as_bytes()), Refused::UnknownKey, "the same without the last line's end"),
        (forged(&hs, b""), Refused::UnknownKey, "no secret"),
        (forged(&json!({ "alg": "HS256", "jwk": rsa() }), b"x"), Refused::UnknownKey, "a key of its own"),
        (forged(&json!({ "alg": "RS256", "crit": ["b64"], "b64": false }), b"x"), Refused::Malformed, "crit"),
        (forged(&json!({ "typ": "JWT" }), b"x"), Refused::Malformed, "no algorithm at all"),
        (
            text(ES256).replacen("eyJhbGciOiJFUzI1NiJ9", "eyJhbGciOiJFUzM4NCJ9", 1),
            Refused::Signature,
            "ES384",
        ),
        ("a.b".to_owned(), Refused::Malformed, "two parts"),
        (format!("{}.x", text(ES256)), Refused::Malformed, "four parts"),
        (String::new(), Refused::Malformed, "nothing"),
        ("..".to_owned(), Refused::Malformed, "nothing, thrice"),
    ];
    for (token, expected, row) in rows {
        assert_eq!(refused(&token, &keys), Some(expected), "{row}");
    }
}

#[test]
fn a_published_key_is_for_what_it_says() {
    let rows = [
        (rsa(), true, "a plain key"),
        (with(rsa(), "use", "sig"), true, "for signatures"),
        (with(rsa(), "use", "enc"), false, "for encryption"),
        (with(rsa(), "alg", "RS256"), true, "for RS256"),
        (with(rsa(), "alg", "RSA-OAEP"), false, "for encryption, by its algorithm"),
        (with(rsa(), "alg", "HS256"), false, "an algorithm that the key is not for"),
        (json!({ "kty": "oct", "k": HS256_KEY }), false, "a secret that everybody can read is none"),
        (json!({ "kty": "new", "x": "y" }), false, "of a kind that nobody knows"),
    ];
    for (jwk, expected, row) in rows {
        assert_eq!(published(jwk).is_some(), expected, "{row}");
    }
    let only = [published(with(rsa(), "alg", "PS256")).unwrap()];
    assert_eq!(refused(&text(RS256), &only), Some(Refused::UnknownKey), "a key for PS256 alone");
    let named = [published(with(rsa(), "kid", "a")).unwrap()];
    assert_eq!(refused(&text(RS256), &named), None, "a token need not name its key");
    let other = forged(&json!({ "alg": "RS256", "kid": "b" }), b"x");
    assert_eq!(refused(&other, &named), Some(Refused::UnknownKey), "another key is named");
}

#[test]
fn a_short_secret_is_refused_and_not_repeated() {
    let error = Key::new(&JwtKey::Secret("hunter2".parse().unwrap())).err().unwrap().to_string();
    assert!(error.contains("at least 32 bytes, found 7") && !error.contains("hunter2"), "{error}");
    assert!(Key::new(&JwtKey::Pem("no key".to_owned())).is_err());
    let error = Key::new(&JwtKey::File("/nowhere/key.pem".into())).err().unwrap().to_string();
    assert!(error.contains("/nowhere/key.pem"), "{error}");
}
