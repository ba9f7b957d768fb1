//! The one who acts, and from where. Every `ops` function takes an [`Actor`] and asks it for the right first.

use std::{collections::BTreeMap, sync::Arc};

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
        /// What that person may do.
        role: Role,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Administrator,
    /// What the person's teams let them do.
    Member(Arc<Memberships>),
}

/// A person's teams by name, and what the person is in each.
pub type Memberships = BTreeMap<String, TeamRole>;

/// What a person may do in a team; each may also what those before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TeamRole {
    /// See the team's things, pull its images.
    Viewer,
    /// Push images, remove them.
    Operator,
    /// Say who is in the team.
    Lead,
}

impl TeamRole {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Lead];

    /// The word stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Lead => "lead",
        }
    }

    /// From the word stored.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
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
    /// Have an account here: see and change what is one's own, hear that something changed.
    Account,
    /// See things.
    View,
    /// Run, stop and remove containers; bring and remove images.
    Operate,
    /// See the audit record, users and the host.
    Administer,
}

/// What an operation needs: a right over everything, or one in the team that owns something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Over everything.
    Everywhere(Right),
    /// In the team that owns this repository. Where no team does, a right over everything.
    Repository(String, TeamRole),
    /// In this team.
    Team(String, TeamRole),
}

impl From<Right> for Need {
    fn from(right: Right) -> Self {
        Self::Everywhere(right)
    }
}

impl Need {
    /// The right that makes this role needless, and caps what tokens may.
    fn right(&self) -> Right {
        match self {
            Self::Everywhere(right) => *right,
            Self::Repository(_, TeamRole::Viewer) | Self::Team(_, TeamRole::Viewer) => Right::View,
            Self::Repository(..) | Self::Team(_, TeamRole::Operator) => Right::Operate,
            Self::Team(_, TeamRole::Lead) => Right::Administer,
        }
    }

    fn by(&self, teams: &Memberships) -> Result<()> {
        let role = |team: &str| teams.get(team).copied();
        match self {
            Self::Everywhere(Right::Account) => Ok(()),
            Self::Everywhere(right) => Err(missing(*right)),
            Self::Team(team, least) => match role(team) {
                Some(role) if role >= *least => Ok(()),
                Some(_) => Err(Error::new(ErrorKind::Forbidden, format!("only who leads the team {team} may do this"))),
                // Another team's things are not there.
                None => Err(Error::not_found(format!("No such team: {team}"))),
            },
            Self::Repository(name, least) => match name.split_once('/').and_then(|(team, _)| role(team)) {
                Some(role) if role >= *least => Ok(()),
                None if *least == TeamRole::Viewer => {
                    Err(Error::not_found(format!("repository name not known to registry: {name}")))
                }
                _ => Err(Error::new(
                    ErrorKind::Forbidden,
                    format!("requested access to the resource is denied: {name} takes an operator of its team"),
                )),
            },
        }
    }
}

fn missing(right: Right) -> Error {
    Error::new(ErrorKind::Forbidden, format!("this account does not have the right to {}", right.words()))
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

    /// `Ok` when this actor has what is needed.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] naming the right; [`ErrorKind::NotFound`] for what belongs to another team.
    pub fn require(&self, need: impl Into<Need>) -> Result<()> {
        let need = need.into();
        let role = match &self.principal {
            Principal::Socket { .. } | Principal::Host | Principal::System => return Ok(()),
            Principal::User { role, .. } => role,
            Principal::Token { right, role, .. } if need.right() <= *right => role,
            Principal::Token { token, .. } => {
                return Err(Error::new(
                    ErrorKind::Forbidden,
                    format!("the token {token} does not have the right to {}", need.right().words()),
                ));
            }
            Principal::Nobody { .. } => {
                return Err(Error::new(
                    ErrorKind::Forbidden,
                    format!("sign in first: this needs the right to {}", need.right().words()),
                ));
            }
        };
        match role {
            Role::Administrator => Ok(()),
            Role::Member(teams) => need.by(teams),
        }
    }

    /// Whether this actor has what is needed.
    pub fn may(&self, need: impl Into<Need>) -> bool {
        self.require(need).is_ok()
    }
}

impl Right {
    fn words(self) -> &'static str {
        match self {
            Self::Account => "use an account",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn member(teams: &[(&str, TeamRole)]) -> Actor {
        let teams = teams.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect();
        let role = Role::Member(Arc::new(teams));
        Actor { principal: Principal::User { id: 7, name: "eva".into(), role }, ..Actor::system() }
    }

    fn kind(actor: &Actor, need: impl Into<Need>) -> Option<ErrorKind> {
        actor.require(need).err().map(|error| error.kind())
    }

    #[test]
    fn members_have_what_their_teams_give_them() {
        let eva = member(&[("shop", TeamRole::Operator), ("lab", TeamRole::Viewer)]);
        assert!(eva.may(Right::Account));
        for right in [Right::View, Right::Operate, Right::Administer] {
            assert_eq!(kind(&eva, right), Some(ErrorKind::Forbidden), "{right:?}");
        }
        let repository = |name: &str, least| Need::Repository(name.to_owned(), least);
        assert!(eva.may(repository("shop/api", TeamRole::Operator)));
        assert!(eva.may(repository("lab/deep/etl", TeamRole::Viewer)));
        assert_eq!(kind(&eva, repository("lab/etl", TeamRole::Operator)), Some(ErrorKind::Forbidden));
        for foreign in ["shopping/api", "shop", "other/api", "library/shop/api"] {
            assert_eq!(kind(&eva, repository(foreign, TeamRole::Viewer)), Some(ErrorKind::NotFound), "{foreign}");
            assert_eq!(kind(&eva, repository(foreign, TeamRole::Operator)), Some(ErrorKind::Forbidden), "{foreign}");
        }
        assert_eq!(kind(&eva, Need::Team("shop".into(), TeamRole::Lead)), Some(ErrorKind::Forbidden));
        assert_eq!(kind(&eva, Need::Team("other".into(), TeamRole::Viewer)), Some(ErrorKind::NotFound));
    }

    #[test]
    fn a_token_never_does_more_than_its_person() {
        let eva = member(&[("shop", TeamRole::Operator)]);
        let Principal::User { role, .. } = eva.principal.clone() else { unreachable!("made above") };
        let token = |right, role: &Role| Actor {
            principal: Principal::Token { user: 7, name: "eva".into(), role: role.clone(), token: "ci".into(), right },
            ..Actor::system()
        };
        let push = |name: &str| Need::Repository(name.to_owned(), TeamRole::Operator);
        assert!(token(Right::Operate, &role).may(push("shop/api")));
        assert!(!token(Right::Operate, &role).may(push("other/api")));
        assert!(!token(Right::View, &role).may(push("shop/api")));
        assert!(token(Right::Operate, &Role::Administrator).may(push("other/api")));
        assert!(!token(Right::View, &Role::Administrator).may(push("other/api")));
        assert!(!token(Right::Operate, &Role::Administrator).may(Right::Administer));
    }
}
