//! A reader with a budget: parsers that would read a header of any size into memory are stopped.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
};

/// Bytes all headers of one tar entry may take together.
pub const TAR_HEADER_BYTES: u64 = 2 << 20;

/// What may still be read; shared with the [`Metered`] reader.
#[derive(Clone, Debug)]
pub struct Budget(Rc<Cell<u64>>);

impl Budget {
    /// No limit from now on.
    pub fn lift(&self) {
        self.0.set(u64::MAX);
    }

    /// So many bytes from now on.
    pub fn set(&self, bytes: u64) {
        self.0.set(bytes);
    }
}

/// Refuses to read on when the budget is used up.
#[derive(Debug)]
pub struct Metered<R> {
    from: R,
    budget: Budget,
}

impl<R> Metered<R> {
    /// A reader without limit at first, and its budget.
    pub fn new(from: R) -> (Self, Budget) {
        let budget = Budget(Rc::new(Cell::new(u64::MAX)));
        (Self { from, budget: budget.clone() }, budget)
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let budget = self.budget.0.get();
        if budget == 0 && !into.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "headers of one entry are too large"));
        }
        let limit = usize::try_from(budget).unwrap_or(usize::MAX).min(into.len());
        let n = self.from.read(&mut into[..limit])?;
        self.budget.0.set(budget - n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_stops_at_the_budget_and_goes_on_when_it_is_lifted() {
        let (mut reader, budget) = Metered::new(&b"0123456789"[..]);
        let mut bytes = Vec::new();
        budget.set(4);
        assert!(reader.read_to_end(&mut bytes).is_err());
        assert_eq!(bytes, b"0123");
        budget.lift();
        assert_eq!(reader.read_to_end(&mut bytes).ok(), Some(6));
    }
}
