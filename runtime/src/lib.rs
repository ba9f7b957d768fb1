//! Darsena's embedded container engine: it runs containers itself, by system calls.
//!
//! It knows nothing of HTTP serving, users or SQLite. The map, lowest layer first; a layer imports lower ones only:
//!
//! - **L0 words** (pure): [`error`], [`id`], [`digest`], [`reference`](mod@reference), [`oci`], [`request`], [`view`],
//!   [`spec`], [`names`], [`paths`]
//! - **L1 ground** (sync): [`sys`] (every unsafe block), [`durable`], [`undo`], [`fault`], [`meter`]
//! - **L2 stores and devices** (sync but for the registry client; siblings don't know each other): [`content`],
//!   [`snapshot`], [`image`], [`volume`], [`repositories`], [`lease`], [`network`], [`cgroup`], [`seccomp`], [`logs`], [`registry`]
//! - **L3 life of one container**: [`container`], [`init`], [`monitor`], [`resolver`]
//! - **L4 building** (sync): [`build`]
//! - **L5 flows**: [`engine`], one verb a file
//!
//! Built without the feature `engine` it is what the monitor program needs, and nothing else.

pub mod fault;
pub mod id;
pub mod init;
pub mod logs;
pub mod monitor;
pub mod names;
pub mod resolver;
pub mod spec;
pub mod sys;

#[cfg(feature = "engine")]
pub mod build;
#[cfg(feature = "engine")]
pub mod cgroup;
#[cfg(feature = "engine")]
pub mod container;
#[cfg(feature = "engine")]
pub mod content;
#[cfg(feature = "engine")]
pub mod digest;
#[cfg(feature = "engine")]
pub mod durable;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
pub mod error;
#[cfg(feature = "engine")]
pub mod image;
#[cfg(feature = "engine")]
pub mod lease;
#[cfg(feature = "engine")]
pub mod meter;
#[cfg(feature = "engine")]
pub mod network;
#[cfg(feature = "engine")]
pub mod oci;
#[cfg(feature = "engine")]
pub mod paths;
#[cfg(feature = "engine")]
pub mod reference;
#[cfg(feature = "engine")]
pub mod registry;
#[cfg(feature = "engine")]
pub mod repositories;
#[cfg(feature = "engine")]
pub mod request;
#[cfg(feature = "engine")]
pub mod seccomp;
#[cfg(feature = "engine")]
pub mod snapshot;
#[cfg(feature = "engine")]
pub mod undo;
#[cfg(feature = "engine")]
pub mod view;
#[cfg(feature = "engine")]
pub mod volume;

#[cfg(feature = "engine")]
pub use engine::{Attachment, Config, Engine, Giver, Leave, Outflow, serving};
