use bytes::Bytes;

use super::host::Builder;
use crate::{
    build::host::{RunEnd, RunStep},
    error::{Error, Result},
    view::Stream,
};

impl Builder {
    pub(super) fn run_container(
        &self,
        _step: &RunStep,
        _name: &dyn Fn(&str),
        _output: &mut dyn FnMut(Stream, Bytes),
    ) -> Result<RunEnd> {
        Err(Error::unsupported("RUN"))
    }
}
