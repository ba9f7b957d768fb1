//! One container: its name, its durable record, and how a request and an image become one.
//!
//! Pure words and files: nothing here starts anything.

pub mod bounds;
pub mod name;
pub mod record;
pub mod resolve;
pub mod signal;
