//! Leave to make a change visible, which may still be on its way when the verb begins.
//!
//! Whoever records what is done must have the record on disk before anything shows. A verb that is given a leave prepares
//! meanwhile and takes it right before its point of no return; without it, what was prepared is undone.

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};

/// Leave that is given or will be.
#[derive(Debug)]
pub struct Leave(Option<oneshot::Receiver<()>>);

/// The other end of a [`Leave`] that is awaited; dropped unused, it refuses.
#[derive(Debug)]
pub struct Giver(oneshot::Sender<()>);

impl Leave {
    /// Given already.
    pub fn given() -> Self {
        Self(None)
    }

    /// To be given later.
    pub fn awaited() -> (Giver, Self) {
        let (giver, waiting) = oneshot::channel();
        (Giver(giver), Self(Some(waiting)))
    }

    /// Waits for it.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] when it will not be given.
    pub async fn take(self) -> Result<()> {
        match self.0 {
            None => Ok(()),
            Some(waiting) => waiting
                .await
                .map_err(|_| Error::new(ErrorKind::Cancelled, "this could not be recorded, so it was not done")),
        }
    }
}

impl Giver {
    /// Gives it.
    pub fn give(self) {
        // A verb that has failed meanwhile doesn't wait for it.
        let _ = self.0.send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn leave_is_given_once_or_refused() {
        assert!(Leave::given().take().await.is_ok());
        let (giver, leave) = Leave::awaited();
        giver.give();
        assert!(leave.take().await.is_ok());
        let (giver, leave) = Leave::awaited();
        drop(giver);
        assert_eq!(leave.take().await.unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
