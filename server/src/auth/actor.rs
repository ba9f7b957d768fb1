//! The one who acts, and from where. Every `ops` function takes an [`Actor`] and asks it for the right first.

use runtime::error::{Error, ErrorKind, Result};

/// What kind of one acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A person who signed in.
    User {
        /// `users.id`.
        id: i64,
        /// Login name.
        name: String,
        /// What the person may do.
        role: Role,
    },
    /// A program with an API token of a person.
    Token {
        /// `users.id`.
        user: i64,
        /// Login name of that person.
        name: String,
        /// The token's name.
        token: String,
        /// The most the program may do.
        right: Right,
    },
    /// A process that could open the docker socket: root, or a member of its group.
    Socket {
        /// The peer's user id.
        uid: u32,
        /// The peer's process id.
        pid: i32,
    },
    /// Root at the command line (`darsena admin …`).
    Host,
    /// Darsena itself: jobs, recovery, first start.
    System,
    /// Not signed in; only to record refused attempts under the name that was tried.
    Nobody {
        /// What was typed as the name.
        tried: String,
    },
}

/// What a person may do over all teams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Administrator,
}

/// By which door the request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The pages.
    Web,
    /// The Docker-compatible API and the served registry: what docker clients speak.
    Docker,
    /// The command line.
    Command,
    /// From inside.
    System,
}

impl Via {
    /// The word in the audit record.
    pub fn word(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Docker => "docker",
            Self::Command => "command",
            Self::System => "system",
        }
    }
}

/// Who, by which door, from where.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Who.
    pub principal: Principal,
    /// By which door.
    pub via: Via,
    /// The peer's address; uid and pid on the socket.
    pub address: String,
    /// Names the request in log, audit and error pages.
    pub request_id: String,
}

/// A right an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// See things.
    View,
    /// Run, stop and remove containers; bring and remove images.
    Operate,
    /// See the audit record, users and the host.
    Administer,
}

impl Actor {
    /// Darsena itself.
    pub fn system() -> Self {
        Self { principal: Principal::System, via: Via::System, address: String::new(), request_id: new_request_id() }
    }

    /// Root at the command line.
    pub fn host() -> Self {
        Self { principal: Principal::Host, via: Via::Command, address: String::new(), request_id: new_request_id() }
    }

    /// The name in lists and the audit record.
    pub fn name(&self) -> String {
        match &self.principal {
            Principal::User { name, .. } | Principal::Token { name, .. } => name.clone(),
            Principal::Socket { uid, .. } => format!("uid {uid}"),
            Principal::Host => "root".to_owned(),
            Principal::System => "darsena".to_owned(),
            Principal::Nobody { tried } => tried.clone(),
        }
    }

    /// The word for the kind in the audit record.
    pub fn kind(&self) -> &'static str {
        match self.principal {
            Principal::User { .. } | Principal::Token { .. } => "user",
            Principal::Socket { .. } => "socket",
            Principal::Host => "host",
            Principal::System => "system",
            Principal::Nobody { .. } => "nobody",
        }
    }

    /// `Ok` when this actor has the right.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] naming the right.
    pub fn require(&self, right: Right) -> Result<()> {
        match (&self.principal, right) {
            (
                Principal::User { role: Role::Administrator, .. }
                | Principal::Socket { .. }
                | Principal::Host
                | Principal::System,
                _,
            ) => Ok(()),
            (Principal::Token { right: most, .. }, right) if right <= *most => Ok(()),
            (Principal::Token { token, .. }, _) => Err(Error::new(
                ErrorKind::Forbidden,
                format!("the token {token} does not have the right to {}", right.words()),
            )),
            (Principal::Nobody { .. }, _) => Err(Error::new(
                ErrorKind::Forbidden,
                format!("sign in first: this needs the right to {}", right.words()),
            )),
        }
    }
}

impl Right {
    fn words(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Operate => "operate containers and images",
            Self::Administer => "administer this host",
        }
    }
}

/// 16 random characters that name one request.
pub fn new_request_id() -> String {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).expect("the kernel's random source");
    format!("{:016x}", u64::from_be_bytes(bytes))
}
