//! The engine's flows.

pub mod proxy;
