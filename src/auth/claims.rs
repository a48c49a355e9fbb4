//! What a token must say to be believed (RFC 7519), once its signature is.
//!
//! It must never look at a clock: the time is an argument, so that a test moves it.

use super::authenticator::Identity;
use super::error::AuthenticationError;
use crate::model::caller::is_subject;
use crate::model::{Caller, Role};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

/// What tokens must say, and those that are minted here do.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// Who must have made them; without one, whoever has a key.
    pub issuer: Option<String>,
    /// For whom they must be made. Without one, a token that names an audience was made
    /// for somebody else, and must be refused (RFC 7519, section 4.1.3).
    pub audience: Option<String>,
    /// The claim that says the role.
    pub role_claim: String,
    /// How much the clock of whoever makes them may differ from this one.
    pub leeway: TimeDelta,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: None,
            role_claim: "role".to_owned(),
            leeway: TimeDelta::minutes(1),
        }
    }
}

impl TokenRules {
    /// Whom a token speaks of that says this, and until when.
    ///
    /// # Errors
    /// When it does not say what it must.
    pub fn identity(
        &self,
        claims: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<Identity, AuthenticationError> {
        let expires_at = time(claims, "exp")?.ok_or(AuthenticationError::Invalid)?;
        let expires_at = later(expires_at, self.leeway);
        if expires_at <= now {
            return Err(AuthenticationError::Expired);
        }
        if time(claims, "nbf")?.is_some_and(|from| from > later(now, self.leeway)) {
            return Err(AuthenticationError::NotYetValid);
        }
        let is_issuer = |wanted: &String| claims.get("iss").is_some_and(|iss| iss == wanted);
        if !self.issuer.as_ref().is_none_or(is_issuer) {
            return Err(AuthenticationError::Issuer);
        }
        if !self.is_audience(claims.get("aud")) {
            return Err(AuthenticationError::Audience);
        }
        let subject = claims.get("sub").and_then(Value::as_str);
        let subject = subject.filter(|name| is_subject(name));
        let subject = subject.ok_or(AuthenticationError::Subject)?.to_owned();
        let role = claims.get(&self.role_claim).and_then(Value::as_str);
        // Without a role nobody knows whether a buyer was meant, or somebody of another
        // application of the same issuer.
        let role = role.and_then(|role| role.parse().ok());
        let caller = match role.ok_or(AuthenticationError::Role)? {
            Role::Buyer => Caller::Buyer { subject },
            Role::BoxOffice => Caller::BoxOffice { subject },
            Role::Staff => Caller::Staff { subject },
        };
        Ok(Identity {
            caller,
            expires_at: Some(expires_at),
        })
    }

    fn is_audience(&self, said: Option<&Value>) -> bool {
        match (said.filter(|said| !said.is_null()), &self.audience) {
            (None, wanted) => wanted.is_none(),
            (Some(_), None) => false,
            (Some(Value::Array(several)), Some(wanted)) => several.iter().any(|one| one == wanted),
            (Some(one), Some(wanted)) => one == wanted,
        }
    }

    /// What a token says that these rules believe.
    pub fn claims(
        &self,
        subject: &str,
        role: Role,
        issued_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut say = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        if let Some(issuer) = &self.issuer {
            say("iss", issuer.as_str().into());
        }
        say("sub", subject.into());
        if let Some(audience) = &self.audience {
            say("aud", audience.as_str().into());
        }
        say(&self.role_claim, role.to_string().into());
        say("iat", issued_at.timestamp().into());
        say("exp", expires_at.timestamp().into());
        claims
    }
}

/// A time as tokens have it: seconds, which may have a fraction.
fn time(
    claims: &Map<String, Value>,
    name: &str,
) -> Result<Option<DateTime<Utc>>, AuthenticationError> {
    let Some(said) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = said.as_f64().ok_or(AuthenticationError::Invalid)?;
    #[allow(
        clippy::cast_possible_truncation,
        reason = "`as` takes the nearest there is"
    )]
    let seconds = seconds.floor() as i64;
    // Beyond the calendar is for ever, or never.
    let beyond = if seconds < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    };
    Ok(Some(DateTime::from_timestamp(seconds, 0).unwrap_or(beyond)))
}

fn later(time: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    time.checked_add_signed(by)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000, 0).unwrap()
    }

    fn judged(rules: &TokenRules, claims: &Value) -> Result<Identity, AuthenticationError> {
        rules.identity(claims.as_object().unwrap(), now())
    }

    /// What becomes of a token that is good but for these claims; null takes one away.
    fn with(rules: &TokenRules, changes: &Value) -> Result<Identity, AuthenticationError> {
        let mut claims = json!({"sub": "anna", "role": "BUYER", "exp": 1_000_001});
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(name),
                value => claims
                    .as_object_mut()
                    .unwrap()
                    .insert(name.clone(), value.clone()),
            };
        }
        judged(rules, &claims)
    }

    #[test]
    fn a_token_is_believed_within_its_time_and_the_leeway() {
        let rules = TokenRules::default();
        for (changes, outcome) in [
            (json!({"exp": 1_000_000 - 59}), None),
            (json!({"exp": 1_000_000.5}), None),
            (
                json!({"exp": 1_000_000 - 60}),
                Some(AuthenticationError::Expired),
            ),
            (json!({"exp": -1}), Some(AuthenticationError::Expired)),
            (json!({"exp": -1e300}), Some(AuthenticationError::Expired)),
            (json!({"exp": 1e300}), None),
            (json!({"exp": u64::MAX}), None),
            (
                json!({"exp": "1000001"}),
                Some(AuthenticationError::Invalid),
            ),
            (
                json!({"exp": [1_000_001]}),
                Some(AuthenticationError::Invalid),
            ),
            (json!({"exp": null}), Some(AuthenticationError::Invalid)),
            (json!({"nbf": 1_000_060}), None),
            (
                json!({"nbf": 1_000_061}),
                Some(AuthenticationError::NotYetValid),
            ),
            (
                json!({"nbf": 1e300}),
                Some(AuthenticationError::NotYetValid),
            ),
            (json!({"nbf": "0"}), Some(AuthenticationError::Invalid)),
        ] {
            assert_eq!(with(&rules, &changes).err(), outcome, "{changes}");
        }
        // Belief ends when it would not begin any more.
        let identity = with(&rules, &json!({})).unwrap();
        assert_eq!(identity.expires_at, Some(now() + TimeDelta::seconds(61)));
    }

    #[test]
    fn who_made_it_and_for_whom_must_be_right() {
        let any = TokenRules::default();
        let strict = TokenRules {
            issuer: Some("https://id.example".to_owned()),
            audience: Some("usher".to_owned()),
            ..TokenRules::default()
        };
        let good = json!({"iss": "https://id.example", "aud": "usher"});
        assert!(with(&strict, &good).is_ok());
        for (claim, value, is_good) in [
            ("aud", json!(["shop", "usher"]), true),
            ("aud", json!(["shop"]), false),
            ("aud", json!([]), false),
            ("aud", json!([["usher"]]), false),
            ("aud", json!("Usher"), false),
            ("aud", json!({"usher": true}), false),
            ("aud", json!(null), false),
            ("iss", json!("https://id.example/"), false),
            ("iss", json!(["https://id.example"]), false),
            ("iss", json!(null), false),
        ] {
            let mut changed = good.clone();
            changed[claim] = value;
            let refused = match claim {
                "aud" => AuthenticationError::Audience,
                _ => AuthenticationError::Issuer,
            };
            let outcome = (!is_good).then_some(refused);
            assert_eq!(with(&strict, &changed).err(), outcome, "{changed}");
        }
        // Nobody has said who this server is.
        assert!(with(&any, &json!({"iss": "anybody"})).is_ok());
        for aud in [json!("usher"), json!(["usher"]), json!([])] {
            let outcome = with(&any, &json!({"aud": aud}));
            assert_eq!(outcome.err(), Some(AuthenticationError::Audience), "{aud}");
        }
    }

    #[test]
    fn a_role_is_one_word_in_its_claim() {
        let rules = TokenRules::default();
        let staff = with(&rules, &json!({"role": "staff"})).unwrap().caller;
        assert!(matches!(staff, Caller::Staff { .. }));
        let sells = with(&rules, &json!({"role": "BOX_OFFICE"})).unwrap().caller;
        assert!(matches!(sells, Caller::BoxOffice { .. }));
        for role in [
            json!(null),
            json!("ADMIN"),
            json!(""),
            json!(" STAFF"),
            json!(["STAFF"]),
            json!(["BUYER", "STAFF"]),
            json!({"STAFF": true}),
            json!(2),
            json!(true),
        ] {
            let outcome = with(&rules, &json!({"role": role}));
            assert_eq!(outcome.err(), Some(AuthenticationError::Role), "{role}");
        }
        let elsewhere = TokenRules {
            role_claim: "https://example.org/role".to_owned(),
            ..TokenRules::default()
        };
        let said = json!({"https://example.org/role": "STAFF", "role": "BUYER"});
        assert!(matches!(
            with(&elsewhere, &said).unwrap().caller,
            Caller::Staff { .. }
        ));
        let outcome = with(&elsewhere, &json!({"role": "STAFF"}));
        assert_eq!(outcome.err(), Some(AuthenticationError::Role));
    }

    #[test]
    fn a_subject_can_be_named() {
        let rules = TokenRules::default();
        for subject in [json!("x"), json!("x".repeat(255)), json!("Zoë, desk 2")] {
            assert!(with(&rules, &json!({"sub": subject})).is_ok(), "{subject}");
        }
        for subject in [
            json!(null),
            json!(""),
            json!(7),
            json!(["anna"]),
            json!("x".repeat(256)),
            json!("anna\nstaff:tess"),
            json!("anna\u{0}"),
            json!("anna\u{1b}[2J"),
        ] {
            let outcome = with(&rules, &json!({"sub": subject}));
            assert_eq!(
                outcome.err(),
                Some(AuthenticationError::Subject),
                "{subject}"
            );
        }
    }

    #[test]
    fn what_is_minted_is_believed_by_the_same_rules() {
        for (issuer, audience) in [(None, None), (Some("us"), Some("usher"))] {
            let rules = TokenRules {
                issuer: issuer.map(str::to_owned),
                audience: audience.map(str::to_owned),
                role_claim: "groups".to_owned(),
                ..TokenRules::default()
            };
            let until = now() + TimeDelta::hours(1);
            let claims = rules.claims("anna", Role::Staff, now(), until);
            let identity = rules.identity(&claims, now()).unwrap();
            assert!(matches!(identity.caller, Caller::Staff { .. }));
        }
    }
}
