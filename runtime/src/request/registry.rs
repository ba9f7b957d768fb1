//! Pull and push.

use std::fmt;

/// Name and password for a registry.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RegistryAuth {
    /// User name; empty with an identity token.
    pub username: String,
    /// Password.
    pub password: String,
    /// An OAuth2 refresh token used instead of name and password.
    pub identity_token: String,
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryAuth").field("username", &self.username).finish_non_exhaustive()
    }
}

/// An image to pull.
#[derive(Clone, Debug, Default)]
pub struct PullImage {
    /// `name[:tag|@digest]` as the person wrote it; no tag means `latest`.
    pub reference: String,
    /// `os/arch[/variant]`; the host's when `None`.
    pub platform: Option<String>,
    /// Credentials for the registry.
    pub auth: Option<RegistryAuth>,
}

/// An image to push.
#[derive(Clone, Debug, Default)]
pub struct PushImage {
    /// `name[:tag]` as the person wrote it; no tag means `latest`.
    pub reference: String,
    /// Every tag this repository has here; the reference's own tag is not looked at.
    pub all_tags: bool,
    /// What the image must run on, `os/arch[/variant]`.
    pub platform: Option<String>,
    /// Credentials for the registry.
    pub auth: Option<RegistryAuth>,
}
