//! Who is asking, and how that is known: passwords, session secrets, form tokens, origins, the throttle; and sealing
//! what must be kept readable.
//!
//! It knows neither pages nor SQL.

pub mod actor;
pub mod bearer;
pub mod cookie;
pub mod gate;
pub mod origin;
pub mod password;
pub mod seal;
pub mod throttle;
pub mod token;
