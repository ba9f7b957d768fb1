//! Bearer tokens of the served registry: short-lived, signed here, believed here. And the scopes clients ask for.
//!
//! The text is the claims in JSON and their HMAC-SHA256, each in URL-safe base64, with a dot between. Clients keep it
//! without reading it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::token::hmac;

/// Seconds a token is good for. A push of one blob may take longer: a token is looked at when a request begins.
pub const LIFE: i64 = 300;
/// Most scopes in one token.
const MAX_SCOPES: usize = 32;

/// What can be done to a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Read it.
    Pull,
    /// Add to it.
    Push,
    /// Remove from it.
    Delete,
}

impl Action {
    /// The word in scopes.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

/// What may be done to one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The repository.
    pub name: String,
    /// What.
    pub actions: Vec<Action>,
}

/// What a token lets its bearer do, as far as the person may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// `users.id`.
    pub user: i64,
    /// `api_tokens.id` of what was signed in with.
    pub token: Option<i64>,
    /// Seconds since 1970.
    pub until: i64,
    /// Repositories.
    pub access: Vec<Access>,
    /// The list of repositories.
    pub catalog: bool,
}

impl Grant {
    /// Whether it has this in it.
    pub fn allows(&self, name: &str, action: Action) -> bool {
        self.access.iter().any(|access| access.name == name && access.actions.contains(&action))
    }

    /// Adds the scopes asked for: `repository:team/app:pull,push`, several with blanks between. What isn't understood is
    /// not granted.
    pub fn add(&mut self, scopes: &str) {
        for scope in scopes.split_ascii_whitespace() {
            let Some((kind, rest)) = scope.split_once(':') else { continue };
            let Some((name, actions)) = rest.rsplit_once(':') else { continue };
            match kind {
                "registry" if name == "catalog" => self.catalog = true,
                "repository" if self.access.len() < MAX_SCOPES => {
                    let all = [Action::Pull, Action::Push, Action::Delete];
                    let asked = |action: &Action| actions.split(',').any(|one| one == action.word() || one == "*");
                    let actions = all.into_iter().filter(asked).collect();
                    self.access.push(Access { name: name.to_owned(), actions });
                }
                _ => {}
            }
        }
    }
}

/// What tokens are signed with.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// A new one.
    ///
    /// # Panics
    /// When the kernel has no random source, which no supported host lacks.
    pub fn random() -> Self {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).expect("the kernel's random source");
        Self(bytes)
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// For keeping it.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Something that stands for a message and can't be turned back.
    pub fn seal(&self, message: &[u8]) -> [u8; 32] {
        hmac(&self.0, message)
    }

    /// A token.
    pub fn sign(&self, grant: &Grant) -> String {
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(grant).unwrap_or_default());
        let seal = URL_SAFE_NO_PAD.encode(self.seal(claims.as_bytes()));
        format!("{claims}.{seal}")
    }

    /// What a token grants, if it was signed here and is still good.
    pub fn open(&self, token: &str, now: i64) -> Option<Grant> {
        let (claims, seal) = token.split_once('.')?;
        let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
        if !bool::from(self.seal(claims.as_bytes()).ct_eq(&seal)) {
            return None;
        }
        let grant: Grant = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        (now < grant.until).then_some(grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        let mut grant = Grant { user: 7, token: None, until: 1000, access: Vec::new(), catalog: false };
        grant.add("repository:team/app:pull,push repository:other:pull registry:catalog:* nonsense repository:x");
        grant
    }

    #[test]
    fn scopes_are_read_and_nothing_more_is_granted() {
        let grant = grant();
        assert!(grant.allows("team/app", Action::Push) && grant.allows("other", Action::Pull) && grant.catalog);
        for (name, action) in [("other", Action::Push), ("team/app", Action::Delete), ("x", Action::Pull)] {
            assert!(!grant.allows(name, action), "{name} {action:?}");
        }
        let mut all = grant.clone();
        all.add("repository:star:*");
        assert!(all.allows("star", Action::Delete));
        all.add(&"repository:a:pull ".repeat(100));
        assert_eq!(all.access.len(), MAX_SCOPES);
    }

    #[test]
    fn only_own_and_unchanged_tokens_are_believed_until_they_end() {
        let (key, other) = (Key::random(), Key::random());
        let token = key.sign(&grant());
        assert_eq!(key.open(&token, 999), Some(grant()));
        assert_eq!(key.open(&token, 1000), None, "its time is over");
        assert_eq!(other.open(&token, 1), None, "another key");
        assert_eq!(Key::parse(&key.text()).and_then(|key| key.open(&token, 1)), Some(grant()));
        let (claims, seal) = token.split_once('.').expect("two parts");
        let more = Grant { user: 8, ..grant() };
        let forged = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&more).expect("json"));
        for wrong in
            ["", ".", claims, &format!("{claims}."), &format!("{forged}.{seal}"), &format!("{claims}.{claims}")]
        {
            assert_eq!(key.open(wrong, 1), None, "{wrong}");
        }
        assert!(Key::parse("short").is_none());
    }
}
